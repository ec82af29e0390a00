/** How the server reaches an Azure account, and as whom. The client library is loaded when it is first needed. */
import type * as Blob from '@azure/storage-blob'
import { keptToken, requestToken } from './access-token.ts'
import { adlsPlace, type AdlsPlace } from './adls-settings.ts'
import type { Settings } from './kind.ts'

const SCOPE = 'https://storage.azure.com/.default'

export type AdlsCredential =
  | { readonly accountKey: string }
  | { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string; readonly authorityHost: string }

export interface AdlsOptions {
  readonly place: AdlsPlace
  /** Clients have a signature. */
  readonly credential: AdlsCredential | { readonly sasToken: string }
}

/** A blob service client for the place, with the credential; it retries nothing on its own. */
export async function connectAdls({ place, credential }: AdlsOptions): Promise<Blob.BlobServiceClient> {
  const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
  const options = { retryOptions: { maxTries: 1 }, redirectOptions: { maxRetries: 0 } }
  if ('sasToken' in credential) return new BlobServiceClient(`${place.blobEndpoint}?${credential.sasToken}`, undefined, options)
  const authority =
    'accountKey' in credential
      ? new StorageSharedKeyCredential(place.account, credential.accountKey)
      : principalCredential(place, credential)
  return new BlobServiceClient(place.blobEndpoint, authority, options)
}

function principalCredential(
  { account }: AdlsPlace,
  { tenantId, clientId, clientSecret, authorityHost }: Extract<AdlsCredential, { clientSecret: string }>,
): { getToken: () => Promise<{ token: string; expiresOnTimestamp: number }> } {
  const source = keptToken(() =>
    requestToken({
      what: `the Azure storage account ${account}`,
      url: `${authorityHost}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
      form: async () => ({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        scope: SCOPE,
      }),
    }),
  )
  return {
    getToken: async () => {
      const { token, expiresAtMs } = await source.get()
      return { token, expiresOnTimestamp: expiresAtMs }
    },
  }
}

/** The server's own credential: the principal where there is one, else the key. */
export function adlsCredential(settings: Settings): AdlsCredential {
  const { 'azure.client-id': clientId, 'azure.client-secret': clientSecret, 'azure.tenant-id': tenantId } = settings
  if (clientId !== undefined && clientSecret !== undefined && tenantId !== undefined) {
    return { tenantId, clientId, clientSecret, authorityHost: adlsPlace(settings).authorityHost }
  }
  return { accountKey: settings['azure.account-key'] ?? '' }
}
