/** The vending strategies of S3 and what speaks its protocol: what a warehouse says of each, and who carries it out. */
import { badRequest } from '../../iceberg/errors.ts'
import { validateEndpoint } from '../endpoint.ts'
import type { ServerOptions, Settings, VendingStrategyDeclaration } from '../kind.ts'
import { credentialsOf, isAws, region, truth, validate } from '../s3-settings.ts'
import { openS3Signer } from './s3-signer.ts'
import { LEAST_SECONDS, openStsVendor } from './s3-sts.ts'
import type { RequestSigner } from './vending.ts'
import { ALWAYS_FIELD, LIFETIME_FIELD, lifetimeSeconds, staticVendor, validateTruth } from './strategies.ts'

const MOST_SECONDS = 43_200
const ROLE = 's3.role-arn'
const EXTERNAL_ID = 's3.external-id'
const STS_ENDPOINT = 's3.sts-endpoint'
const SESSION_TAGS = 's3.session-tags'
const WEB_IDENTITY = 's3.web-identity'
const REMOTE_SIGNING = 's3.remote-signing'
const BULK_DELETES = 's3.signs-bulk-deletes'

/** The role may stand in either place. */
const roleArn = (settings: Settings, strategy: Settings): string | undefined => strategy[ROLE] ?? settings[ROLE]

function validateSts(settings: Settings, strategy: Settings, { webIdentityTokenFile }: ServerOptions): void {
  const role = roleArn(settings, strategy)
  const externalId = strategy[EXTERNAL_ID] ?? settings[EXTERNAL_ID]
  const endpoint = strategy[STS_ENDPOINT]
  if (role === undefined) throw badRequest('vending_strategy AwsSts must have role_arn')
  if (!/^[!-~]{1,2048}$/.test(role))
    throw badRequest('role_arn must be the ARN of a role, such as arn:aws:iam::123456789012:role/lake')
  if (externalId !== undefined && !/^[\w+=,.@:/-]{2,1224}$/.test(externalId))
    throw badRequest('external_id must have 2 to 1224 letters, digits and characters of + = , . @ : / -')
  if (endpoint !== undefined) validateEndpoint('sts_endpoint', endpoint)
  validateTruth(strategy, {
    session_tags: SESSION_TAGS,
    web_identity: WEB_IDENTITY,
    remote_signing: REMOTE_SIGNING,
    bulk_deletes: BULK_DELETES,
  })
  lifetimeSeconds(strategy, { least: LEAST_SECONDS, most: MOST_SECONDS })
  if (truth(strategy[WEB_IDENTITY]) === true && webIdentityTokenFile === undefined)
    throw badRequest("web_identity needs the server's setting PANGOLIN_WEB_IDENTITY_TOKEN_FILE")
}

/** Services with an endpoint of their own answer for tokens there as well; AWS has another one for that. */
function stsEndpoint(settings: Settings, strategy: Settings): string | undefined {
  const own = settings['s3.endpoint']
  if (strategy[STS_ENDPOINT] !== undefined || own === undefined) return strategy[STS_ENDPOINT]
  return isAws(own) ? undefined : own
}

/** Never the id of one pair with the secret of another. */
function staticKeys(settings: Settings, strategy: Settings): Settings | undefined {
  const keys = credentialsOf(strategy) ?? credentialsOf(settings)
  if (keys === undefined) return undefined
  return {
    's3.access-key-id': keys.accessKeyId,
    's3.secret-access-key': keys.secretAccessKey,
    ...(keys.sessionToken === undefined ? {} : { 's3.session-token': keys.sessionToken }),
  }
}

const BULK_DELETES_FIELD = { bulk_deletes: { setting: BULK_DELETES } } as const

const signsBulkDeletes = (strategy: Settings): boolean => truth(strategy[BULK_DELETES]) === true
const signer = (settings: Settings, strategy: Settings): RequestSigner =>
  openS3Signer(settings, { verifiesBodies: signsBulkDeletes(strategy) })
const bulkDeletesWarning = (strategy: Settings): string | undefined =>
  signsBulkDeletes(strategy)
    ? 'whoever may write one table can delete all of this warehouse, unless the service checks the body of DeleteObjects against its signed hash (MinIO does not)'
    : undefined

export const s3Strategies: Readonly<Record<string, VendingStrategyDeclaration>> = {
  AwsSigning: {
    fields: BULK_DELETES_FIELD,
    validate: (_settings, strategy) => validateTruth(strategy, { bulk_deletes: BULK_DELETES }),
    warning: bulkDeletesWarning,
    signer,
  },
  AwsStatic: {
    fields: {
      access_key_id: { setting: 's3.access-key-id' },
      secret_access_key: { setting: 's3.secret-access-key', secret: true },
      session_token: { setting: 's3.session-token', secret: true },
      ...ALWAYS_FIELD,
    },
    isStatic: true,
    isCredential: true,
    validate: (_settings, strategy) => {
      validate(strategy)
      validateTruth(strategy, { always: ALWAYS_FIELD.always.setting })
    },
    vendor: (settings, strategy) => {
      const keys = staticKeys(settings, strategy)
      return keys && staticVendor(keys)
    },
  },
  AwsSts: {
    fields: {
      role_arn: { setting: ROLE },
      external_id: { setting: EXTERNAL_ID },
      sts_endpoint: { setting: STS_ENDPOINT },
      session_tags: { setting: SESSION_TAGS },
      web_identity: { setting: WEB_IDENTITY },
      /** Also sign, for clients that ask for that alone. */
      remote_signing: { setting: REMOTE_SIGNING },
      ...BULK_DELETES_FIELD,
      ...LIFETIME_FIELD,
    },
    validate: validateSts,
    warning: bulkDeletesWarning,
    signer: (settings, strategy) => (truth(strategy[REMOTE_SIGNING]) === true ? signer(settings, strategy) : undefined),
    vendor: (settings, strategy, { webIdentityTokenFile }) =>
      openStsVendor({
        roleArn: roleArn(settings, strategy) ?? '',
        externalId: strategy[EXTERNAL_ID] ?? settings[EXTERNAL_ID],
        region: region(settings),
        endpoint: stsEndpoint(settings, strategy),
        credentials: credentialsOf(settings),
        // A setting that went away must not make another identity of this one.
        webIdentityTokenFile: truth(strategy[WEB_IDENTITY]) === true ? (webIdentityTokenFile ?? '') : undefined,
        sessionTags: truth(strategy[SESSION_TAGS]) === true,
        lifetimeSeconds: lifetimeSeconds(strategy, { least: LEAST_SECONDS, most: MOST_SECONDS }),
      }),
  },
}

/** Services like S3 with a token service of their own take any role for the keys of a user. AWS wants one that is the user's. */
const ANY_ROLE = 'arn:aws:iam::000000000000:role/pangolin'

export function defaultS3Strategy(settings: Settings): { readonly AwsSts: Settings } | undefined {
  const { 's3.endpoint': endpoint } = settings
  if (credentialsOf(settings) === undefined) return undefined
  if (settings[ROLE] !== undefined) return { AwsSts: {} }
  return endpoint === undefined || isAws(endpoint) ? undefined : { AwsSts: { role_arn: ANY_ROLE } }
}
