/**
 * The vending strategy of Google Cloud Storage: the server's own token, exchanged at Google's security token service for one
 * that opens the objects of one table. There is no way through here without a boundary, since then the server's whole reach
 * would be handed out.
 */
import { badRequest } from '../../iceberg/errors.ts'
import { stringify } from '../../iceberg/json.ts'
import { requestToken, type AccessToken, type TokenSource } from '../access-token.ts'
import { gcsCredential, gcsPlace, validateGcs } from '../gcs-settings.ts'
import { gcsTokens } from '../gcs-tokens.ts'
import type { Settings, VendingStrategyDeclaration } from '../kind.ts'
import { vendingError } from './failures.ts'
import { accessBoundary, type AccessBoundary } from './gcs-boundary.ts'
import { commonAncestor } from './strategies.ts'
import type { CredentialVendor, Vended, VendScope } from './vending.ts'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** What is left of the server's own token when it is exchanged is the life of the new one, an hour at most. */
const LIFETIME = { seconds: 3600, leastSeconds: 3600 }

export interface DownscopingOptions {
  readonly stsEndpoint: string
  readonly tokens: TokenSource
}

class DownscopingVendor implements CredentialVendor {
  readonly lifetime = LIFETIME
  readonly #options: DownscopingOptions

  constructor(options: DownscopingOptions) {
    this.#options = options
  }

  async vend(scope: VendScope): Promise<Vended> {
    const boundary = accessBoundary(scope)
    try {
      const { token, expiresAtMs } = await exchange(this.#options, boundary)
      const config = { 'gcs.oauth2.token': token, 'gcs.oauth2.token-expires-at': String(expiresAtMs) }
      // Clients of the JVM that renew credentials want exactly one, so it stands for all places that it opens.
      return { credentials: [{ prefix: commonAncestor(scope.prefixes), config }], expiresAtMs }
    } catch (error) {
      throw vendingError(`Google gives no token for ${scope.prefixes[0]}`, error)
    }
  }

  async close(): Promise<void> {}
}

async function exchange({ stsEndpoint, tokens }: DownscopingOptions, boundary: AccessBoundary): Promise<AccessToken> {
  const own = await tokens.get()
  return requestToken({
    what: 'the files of one table',
    url: stsEndpoint,
    // Not always said again: the new token ends with the one that it was made of.
    expiresAtMs: own.expiresAtMs,
    form: async () => ({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: ACCESS_TOKEN,
      subject_token_type: ACCESS_TOKEN,
      subject_token: own.token,
      options: stringify(boundary),
    }),
  })
}

/** The fields of the strategy are a credential of their own, where they are there. */
const ownSettings = (settings: Settings, strategy: Settings): Settings => {
  const { 'gcs.service-account-key': _key, ...place } = settings
  return strategy['gcs.private-key'] === undefined ? settings : { ...place, ...strategy }
}

export const gcsStrategies: Readonly<Record<string, VendingStrategyDeclaration>> = {
  GcpDownscoped: {
    fields: {
      service_account_email: { setting: 'gcs.client-email' },
      private_key: { setting: 'gcs.private-key', secret: true },
    },
    isCredential: true,
    validate: (settings, strategy) => {
      const { 'gcs.client-email': email, 'gcs.private-key': privateKey } = strategy
      if ((email === undefined) !== (privateKey === undefined))
        throw badRequest('service_account_email and private_key of vending_strategy GcpDownscoped must be given together')
      const own = ownSettings(settings, strategy)
      validateGcs(own)
      if (gcsCredential(own) === 'none')
        throw badRequest('vending_strategy GcpDownscoped needs a service account, and gcs.no-auth says there is none')
    },
    vendor: (settings, strategy) => {
      const own = ownSettings(settings, strategy)
      const tokens = gcsTokens(gcsCredential(own), 'at-half')
      return tokens && new DownscopingVendor({ stsEndpoint: gcsPlace(own).stsEndpoint, tokens })
    },
  },
}
