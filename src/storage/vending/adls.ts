/**
 * The vending strategies of Azure: signatures for a table's directory, from a service principal (with a key that Azure
 * delegates to it) or from the account's key; or that key itself, where the warehouse says so.
 */
import { badRequest } from '../../iceberg/errors.ts'
import { bucketAndKey, type Location } from '../../iceberg/location.ts'
import { shared } from '../../once.ts'
import { adlsCredential, connectAdls, type AdlsCredential } from '../adls-connection.ts'
import { adlsPlace, isBase64Key, type AdlsPlace } from '../adls-settings.ts'
import { withAttempts } from '../attempts.ts'
import type { Settings, VendingStrategyDeclaration } from '../kind.ts'
import { StorageError } from '../storage.ts'
import { serviceSas, userDelegationSas, type SasGrant, type UserDelegationKey } from './adls-sas.ts'
import { ALWAYS_FIELD, LIFETIME_FIELD, lifetimeSeconds, staticVendor, validateTruth } from './strategies.ts'
import { vendingError } from './failures.ts'
import { VendingError, type CredentialVendor, type Vended, type VendedCredential, type VendScope } from './vending.ts'

const ACCOUNT = 'azure.account-name'
const KEY = 'azure.account-key'
const SCOPE = 'azure.sas-scope'
const LIFETIME = { least: 300, most: 43_200 }
/** A delegated key is good for longer than any signature by it, so that it is asked for a few times a day. */
const DELEGATED_KEY_MS = 24 * 3_600_000
/** Clocks differ. */
const SKEW_MS = 5 * 60_000
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export interface SasOptions {
  readonly place: AdlsPlace
  /** Present where the endpoint is not the account's own: PyIceberg is told it in a connection string. */
  readonly customEndpoint: string | undefined
  readonly credential: AdlsCredential
  /** The whole container: accounts without a hierarchy have no signatures for directories. */
  readonly wholeContainer: boolean
  readonly lifetimeSeconds: number
}

class SasVendor implements CredentialVendor {
  readonly lifetime: CredentialVendor['lifetime']
  readonly #options: SasOptions
  #kept: { readonly key: UserDelegationKey; readonly expiresAtMs: number } | undefined
  readonly #askForKey = shared(() => this.#newKey())

  constructor(options: SasOptions) {
    this.#options = options
    this.lifetime = { seconds: options.lifetimeSeconds, leastSeconds: LIFETIME.least }
  }

  async vend(scope: VendScope): Promise<Vended> {
    const { credential } = this.#options
    // Signatures know whole seconds.
    const expiresAtMs = Math.floor(Date.now() / 1000 + scope.lifetimeSeconds) * 1000
    if ('accountKey' in credential) return this.#signed(scope, expiresAtMs, (grant) => serviceSas(grant, credential.accountKey))
    const key = await this.#delegatedKey(expiresAtMs)
    // Only accounts with a hierarchy know it.
    const correlates = !this.#options.wholeContainer && UUID.test(scope.principal.id)
    const correlationId = correlates ? scope.principal.id : undefined
    return this.#signed(scope, expiresAtMs, (grant) => userDelegationSas({ ...grant, correlationId }, key))
  }

  #signed({ prefixes, access }: VendScope, expiresAtMs: number, sign: (grant: SasGrant) => string): Vended {
    const { place, wholeContainer } = this.#options
    const grants = prefixes.map((prefix) => ({ prefix, directory: directoryOf(prefix, place) }))
    const signed = (wholeContainer ? grants.slice(0, 1) : grants).map(({ prefix, directory }): VendedCredential => {
      const sas = sign({
        account: place.account,
        container: place.container,
        directory: wholeContainer ? undefined : directory,
        permissions: access === 'read' ? 'rl' : 'racwdl',
        expiresOn: new Date(expiresAtMs),
        plainHttp: place.blobEndpoint.startsWith('http:'),
      })
      const opened = wholeContainer && prefixes.length > 1 ? containerOf(prefix) : prefix
      return { prefix: opened, config: this.#config(sas, expiresAtMs) }
    })
    return { credentials: signed, expiresAtMs }
  }

  /** JVM clients read the names with the account's host behind, PyIceberg with PyArrow those without. */
  #config(sas: string, expiresAtMs: number): Settings {
    const { place, customEndpoint } = this.#options
    return {
      'adls.account-name': place.account,
      'adls.sas-token': sas,
      [`adls.sas-token.${place.host}`]: sas,
      [`adls.sas-token-expires-at-ms.${place.host}`]: String(expiresAtMs),
      ...(customEndpoint === undefined ? {} : connectionString(place, `SharedAccessSignature=${sas}`)),
    }
  }

  async #delegatedKey(neededUntilMs: number): Promise<UserDelegationKey> {
    if (this.#kept && this.#kept.expiresAtMs >= neededUntilMs) return this.#kept.key
    return this.#askForKey()
  }

  async #newKey(): Promise<UserDelegationKey> {
    const what = `Azure delegates no key for the account ${this.#options.place.account}`
    try {
      const service = await connectAdls(this.#options)
      const [start, end] = [new Date(Date.now() - SKEW_MS), new Date(Date.now() + DELEGATED_KEY_MS)]
      const key = await withAttempts(({ signal }) => service.getUserDelegationKey(start, end, { abortSignal: signal }), refusal)
      this.#kept = { key, expiresAtMs: key.signedExpiresOn.getTime() }
      return key
    } catch (error) {
      throw vendingError(what, error)
    }
  }

  async close(): Promise<void> {}
}

function refusal(error: unknown): StorageError {
  const { statusCode: status, code } = error as { readonly statusCode?: number; readonly code?: string }
  const busy = status === undefined || status >= 500 || status === 429 || status === 408
  return new StorageError(busy ? 'unavailable' : 'forbidden', code ?? `status ${status ?? 'unknown'}`, error)
}

/** @throws VendingError for what is not a place below the warehouse's container */
function directoryOf(prefix: Location, place: AdlsPlace): string {
  const { bucket, key } = bucketAndKey(prefix)
  if (bucket !== bucketAndKey(place.root).bucket) {
    throw new VendingError('invalid', `No credentials for another container than the warehouse's: ${prefix}`)
  }
  // Without a directory the whole container would be meant.
  if (key === '') throw new VendingError('invalid', `No credentials for the whole of ${prefix}`)
  return key
}

const containerOf = (prefix: Location): Location => prefix.slice(0, prefix.indexOf('/', 'abfss://'.length)) as Location

function connectionString({ account, blobEndpoint }: AdlsPlace, secret: string): Settings {
  return { 'adls.connection-string': `BlobEndpoint=${blobEndpoint};AccountName=${account};${secret}` }
}

const FIELDS = {
  account_name: { setting: ACCOUNT },
  account_key: { setting: KEY, secret: true },
} as const

function validateAccount(settings: Settings, strategy: Settings): void {
  const key = strategy[KEY]
  if (strategy[ACCOUNT] !== undefined && strategy[ACCOUNT] !== settings[ACCOUNT])
    throw badRequest('account_name of the vending_strategy must be the account of storage_config')
  if (key !== undefined && !isBase64Key(key)) throw badRequest('account_key must be in base64, as Azure shows it')
}

function staticKey(settings: Settings, strategy: Settings): Settings | undefined {
  const key = strategy[KEY] ?? settings[KEY]
  if (key === undefined) return undefined
  const place = adlsPlace(settings)
  const custom = settings['azure.blob-endpoint'] !== undefined
  return {
    'adls.account-name': place.account,
    'adls.account-key': key,
    ...(custom ? connectionString(place, `AccountKey=${key}`) : {}),
  }
}

export const adlsStrategies: Readonly<Record<string, VendingStrategyDeclaration>> = {
  AzureSas: {
    fields: { ...FIELDS, scope: { setting: SCOPE }, ...LIFETIME_FIELD },
    isCredential: true,
    isUnbounded: (strategy) => strategy[SCOPE] === 'container',
    warning: (strategy) =>
      strategy[SCOPE] === 'container'
        ? 'everybody who may read one table of this warehouse gets signatures that open its whole container, to write for those who may write one table'
        : undefined,
    validate: (settings, strategy) => {
      validateAccount(settings, strategy)
      const scope = strategy[SCOPE]
      if (scope !== undefined && scope !== 'directory' && scope !== 'container')
        throw badRequest(`scope of vending_strategy AzureSas must be directory or container, not "${scope}"`)
      lifetimeSeconds(strategy, LIFETIME)
    },
    vendor: (settings, strategy) => {
      const place = adlsPlace(settings)
      const ownKey = strategy[KEY]
      return new SasVendor({
        place,
        customEndpoint: settings['azure.blob-endpoint'],
        credential: ownKey === undefined ? adlsCredential(settings) : { accountKey: ownKey },
        wholeContainer: strategy[SCOPE] === 'container',
        lifetimeSeconds: lifetimeSeconds(strategy, LIFETIME),
      })
    },
  },
  AzureStatic: {
    fields: { ...FIELDS, ...ALWAYS_FIELD },
    isStatic: true,
    isCredential: true,
    validate: (settings, strategy) => {
      validateAccount(settings, strategy)
      validateTruth(strategy, { always: ALWAYS_FIELD.always.setting })
      if (staticKey(settings, strategy) === undefined)
        throw badRequest('vending_strategy AzureStatic needs an account_key, here or in storage_config')
    },
    vendor: (settings, strategy) => {
      const key = staticKey(settings, strategy)
      return key && staticVendor(key)
    },
  },
}
