/**
 * Credentials from a token service of AWS or one that speaks its protocol: a role is assumed for one table, narrowed by a
 * session policy. There is no way through here without one, since then the role's whole reach would be handed out.
 */
import type * as Sts from '@aws-sdk/client-sts'
import { readFile } from 'node:fs/promises'
import { once, type Once } from '../../once.ts'
import { sessionPolicy } from './s3-policy.ts'
import { commonAncestor } from './strategies.ts'
import { VendingError, type CredentialVendor, type Vended, type VendingErrorKind, type VendScope } from './vending.ts'

type Library = typeof Sts
type Client = Sts.STSClient

const CONNECT_MS = 3_000
const TOTAL_MS = 15_000

export interface StsOptions {
  readonly roleArn: string
  readonly externalId?: string | undefined
  readonly region: string
  /** AWS's own of the region when absent. */
  readonly endpoint?: string | undefined
  /** The process's own (environment, instance role) when absent. */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined
  /** Present: the role is assumed with the identity in this file, which is read each time, as it is renewed there. */
  readonly webIdentityTokenFile?: string | undefined
  /** Say who asked in tags too, which the role must allow (`sts:TagSession`). */
  readonly sessionTags: boolean
  readonly lifetimeSeconds: number
}

/** AWS accepts no shorter session. */
export const LEAST_SECONDS = 900

const REFUSED =
  /^(AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|InvalidIdentityToken|IDPRejectedClaim|RegionDisabled|MalformedPolicyDocument|ValidationError|InvalidParameter|UnrecognizedClientException|CredentialsProviderError|TokenProviderError)/

interface ServiceError {
  readonly name?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

function failure(what: string, error: unknown): VendingError {
  if (error instanceof VendingError) return error
  const { name = '', code, $metadata } = error as ServiceError
  const status = $metadata?.httpStatusCode ?? 0
  const told = /^[\w.]{1,80}$/.test(name === 'Error' ? (code ?? name) : name)
    ? name === 'Error'
      ? (code ?? name)
      : name
    : 'failed'
  const busy = status >= 500 || status === 429 || /Throttl|TooManyRequests|IDPCommunicationError/.test(name)
  let kind: VendingErrorKind = 'unavailable'
  if (name.startsWith('PackedPolicyTooLarge')) kind = 'invalid'
  else if (!busy && (REFUSED.test(name) || (status >= 400 && status < 500))) kind = 'refused'
  return new VendingError(kind, `${what}: ${told}`, error)
}

/** Names of sessions have 2 to 64 characters of these. */
const sessionText = (text: string): string => text.replace(/[^A-Za-z0-9_+=,.@-]/g, '_')

/** Who it is for, as a person finds it in the token service's log: readable first, unique by the id. */
export function sessionName({ id, name }: VendScope['principal']): string {
  return `${sessionText(name).slice(0, 27) || '_'}-${sessionText(id).slice(0, 36)}`.padEnd(2, '_')
}

export function sessionTags({ id, name, tenantId }: VendScope['principal']): { Key: string; Value: string }[] {
  const tag = (key: string, value: string) => ({ Key: key, Value: sessionText(value).replaceAll(',', '_').slice(0, 256) })
  return [tag('pangolin-principal', name), tag('pangolin-principal-id', id), tag('pangolin-tenant', tenantId)]
}

const partitionOf = (roleArn: string): string => /^arn:(aws[a-z-]*):/.exec(roleArn)?.[1] ?? 'aws'

class StsVendor implements CredentialVendor {
  readonly lifetime: CredentialVendor['lifetime']
  readonly #options: StsOptions
  readonly #connect: Once<{ library: Library; client: Client }>

  constructor(options: StsOptions) {
    this.#options = options
    this.#connect = once(() => connect(options))
    this.lifetime = { seconds: options.lifetimeSeconds, leastSeconds: LEAST_SECONDS }
  }

  async vend(scope: VendScope): Promise<Vended> {
    const policy = sessionPolicy(scope, partitionOf(this.#options.roleArn))
    const what = `The token service does not let the role ${this.#options.roleArn} be assumed`
    try {
      const { library, client } = await this.#connect()
      const { Credentials } = await this.#assume(library, client, scope, policy)
      const { AccessKeyId: id, SecretAccessKey: secret, SessionToken: token, Expiration: expiration } = Credentials ?? {}
      const expiresAtMs = expiration?.getTime() ?? Number.NaN
      if (!id || !secret || !token || !Number.isSafeInteger(expiresAtMs)) {
        throw new VendingError('refused', `The token service answered no session credentials for ${this.#options.roleArn}`)
      }
      const config = {
        's3.access-key-id': id,
        's3.secret-access-key': secret,
        's3.session-token': token,
        's3.session-token-expires-at-ms': String(expiresAtMs),
      }
      // Clients of the JVM that renew credentials want exactly one, so it stands for all places that it opens.
      return { credentials: [{ prefix: commonAncestor(scope.prefixes), config }], expiresAtMs }
    } catch (error) {
      throw failure(what, error)
    }
  }

  async #assume(library: Library, client: Client, scope: VendScope, policy: string): Promise<Sts.AssumeRoleCommandOutput> {
    const { roleArn, externalId, webIdentityTokenFile } = this.#options
    const abortSignal = AbortSignal.timeout(TOTAL_MS)
    const session = {
      RoleArn: roleArn,
      RoleSessionName: sessionName(scope.principal),
      DurationSeconds: scope.lifetimeSeconds,
      Policy: policy,
    }
    if (webIdentityTokenFile !== undefined) {
      const WebIdentityToken = await identityToken(webIdentityTokenFile)
      return client.send(new library.AssumeRoleWithWebIdentityCommand({ ...session, WebIdentityToken }), { abortSignal })
    }
    const command = new library.AssumeRoleCommand({
      ...session,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
      ...(this.#options.sessionTags ? { Tags: sessionTags(scope.principal) } : {}),
    })
    return client.send(command, { abortSignal })
  }

  async close(): Promise<void> {
    const connection = await this.#connect.known()
    connection?.client.destroy()
  }
}

async function identityToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new VendingError('refused', 'The file with the web identity token can not be read', error)
  }
}

async function connect(options: StsOptions): Promise<{ library: Library; client: Client }> {
  const library = await import('@aws-sdk/client-sts')
  const client = new library.STSClient({
    region: options.region,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: TOTAL_MS, throwOnRequestTimeout: true },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  })
  return { library, client }
}

export const openStsVendor = (options: StsOptions): CredentialVendor => new StsVendor(options)
