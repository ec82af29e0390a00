/** The server's own tokens for Google: of a service account, or of the machine it runs on. */
import { keptToken, requestToken, type TokenSource } from './access-token.ts'
import type { GcsCredential, ServiceAccount } from './gcs-settings.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

/** The server's own token. @returns undefined where requests carry none */
export function gcsTokens(credential: GcsCredential, renew?: 'at-half'): TokenSource | undefined {
  if (credential === 'none') return undefined
  if (credential === 'ambient') {
    return keptToken(
      () =>
        requestToken({
          what: 'Google Cloud Storage from the metadata service of this machine',
          url: `http://${metadataHost()}/computeMetadata/v1/instance/service-accounts/default/token`,
          headers: { 'metadata-flavor': 'Google' },
        }),
      renew,
    )
  }
  return keptToken(
    () =>
      requestToken({
        what: `the Google service account ${credential.email}`,
        url: credential.tokenUri,
        form: async () => ({
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion: await assertion(credential),
        }),
      }),
    renew,
  )
}

/** As Google's own libraries find it. The operator's environment says so, never a warehouse: it hands out this machine's token. */
const metadataHost = (): string => process.env['GCE_METADATA_HOST'] ?? 'metadata.google.internal'

async function assertion({ email, privateKey, keyId, tokenUri }: ServiceAccount): Promise<string> {
  const { importPKCS8, SignJWT } = await import('jose')
  return new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(email)
    .setAudience(tokenUri)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(await importPKCS8(privateKey, 'RS256'))
}
