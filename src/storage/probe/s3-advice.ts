/** What to do when S3, or what speaks its protocol, refuses: the bucket, the region, the clock, the keys, or one right. */
import { bucketAndKey, type Location } from '../../iceberg/location.ts'
import type { ChosenStrategy, Settings } from '../kind.ts'
import { pathStyle, region, rootLocation } from '../s3-settings.ts'
import { networkAdvice } from './advice.ts'
import { has, type Fault } from './fault.ts'

/** By what was done: the right, and whether it is one on the bucket. */
const ACTIONS = {
  write: ['s3:PutObject', false],
  read: ['s3:GetObject', false],
  delete: ['s3:DeleteObject', false],
  list: ['s3:ListBucket', true],
} as const

const WRONG_REGION = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException']
const CLOCK = ['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture']
const NO_KEYS = ['CredentialsProviderError', 'TokenProviderError', 'ProviderError', 'ExpiredTokenException']
const NO_SUCH_SERVICE = [
  'NotImplemented',
  'MethodNotAllowed',
  'InvalidAction',
  'UnsupportedOperation',
  'XMLParserError',
  'SyntaxError',
]

function resourceOf(root: Location, onBucket: boolean): string {
  const { bucket, key } = bucketAndKey(root)
  return `arn:aws:s3:::${bucket}${onBucket ? '' : `/${key === '' ? '' : `${key}/`}*`}`
}

const serviceOf = (settings: Settings): string => settings['s3.endpoint'] ?? `S3 in ${region(settings)}`

/** What is the same for the store and for the token service. */
function keysAdvice(fault: Fault, settings: Settings): string | undefined {
  const { 's3.access-key-id': id } = settings
  if (has(fault, ...CLOCK)) return "The clock of the server differs from the service's by minutes: set it by NTP"
  if (has(fault, 'InvalidAccessKeyId', 'InvalidClientTokenId', 'UnrecognizedClientException'))
    return `${serviceOf(settings)} does not know this access key: correct s3.access-key-id${id === undefined ? '' : ` (${id})`}, or make it there`
  if (has(fault, 'SignatureDoesNotMatch'))
    return 's3.secret-access-key does not belong to s3.access-key-id: send both again as the service shows them'
  if (has(fault, 'ExpiredToken', 'InvalidToken'))
    return 's3.session-token is over or wrong: send new keys, or keys without a session token'
  if (has(fault, ...NO_KEYS))
    return 'The server has no keys: send s3.access-key-id and s3.secret-access-key, or run it with a role (instance profile, environment)'
  return undefined
}

function storeAdvice(fault: Fault, settings: Settings): string | undefined {
  const root = rootLocation(settings)
  const { bucket } = bucketAndKey(root)
  const ownService = settings['s3.endpoint'] !== undefined
  const style = 'set s3.path-style-access to true, where the service has no host name for each bucket'
  if (has(fault, ...WRONG_REGION) || fault.status === 301)
    return `The bucket ${bucket} is in ${fault.region ?? 'another region'}, not in ${region(settings)}: set s3.region to its region`
  if (has(fault, 'NoSuchBucket'))
    return `Make the bucket ${bucket} at ${serviceOf(settings)}, or correct s3.bucket${ownService && !pathStyle(settings) ? `; or ${style}` : ''}`
  if (ownService && !pathStyle(settings) && (has(fault, 'ENOTFOUND', 'EAI_AGAIN') || fault.kind === 'invalid'))
    return `Probably: ${style}`
  if (fault.kind === 'forbidden' && fault.doing !== 'vend') {
    const [action, onBucket] = ACTIONS[fault.doing]
    const whom =
      fault.as === 'client'
        ? "the role's own policies (the session's policy allows it already)"
        : "the policies of the warehouse's keys or role"
    return `Allow ${action} on ${resourceOf(root, onBucket)} in ${whom}, and see that no policy of the bucket denies it`
  }
  if (fault.kind === 'invalid') return `Check that ${serviceOf(settings)} speaks the S3 protocol, at the root of s3.endpoint`
  return undefined
}

/** `strategy`: the fields of `AwsSts` by their settings. */
function tokenServiceAdvice(fault: Fault, settings: Settings, strategy: Settings): string | undefined {
  const role = strategy['s3.role-arn'] ?? settings['s3.role-arn'] ?? 'the role'
  const own = strategy['s3.sts-endpoint'] ?? settings['s3.endpoint']
  const instead =
    'name it in sts_endpoint of the vending_strategy; for a service without one choose AwsSigning, which signs requests of clients one by one, or AwsStatic, which hands out the keys as they are'
  if (fault.kind === 'invalid')
    return 'Choose a shorter s3.prefix: the session policy of a table has no room for longer locations'
  if (has(fault, ...NO_SUCH_SERVICE) || [404, 405, 501].includes(fault.status ?? 0))
    return `There is no token service at ${own ?? "AWS's endpoint"}: ${instead}`
  if (has(fault, 'RegionDisabledException')) return `Activate the token service in ${region(settings)} in the account of ${role}`
  if (has(fault, 'AccessDenied', 'AccessDeniedException') || fault.status === 403) {
    const tags = strategy['s3.session-tags']?.toLowerCase() === 'true' ? ' and sts:TagSession' : ''
    const id = strategy['s3.external-id'] ?? settings['s3.external-id']
    return `Let the trust policy of ${role} allow sts:AssumeRole${tags} to the warehouse's identity${id === undefined ? '' : ', with this external_id'}, and that identity's own policy allow it on ${role}`
  }
  if (fault.kind === 'refused') return `Correct role_arn (${role}), and check that the token service accepts it`
  return `Check that ${own ?? 'the token service of AWS'} is a token service that can be reached; else ${instead}`
}

export function s3Advice(fault: Fault, settings: Settings, { settings: strategy }: ChosenStrategy): string | undefined {
  const known = keysAdvice(fault, settings)
  if (known !== undefined) return known
  if (fault.doing !== 'vend') {
    const endpoint = { setting: 's3.endpoint', value: serviceOf(settings) }
    return storeAdvice(fault, settings) ?? networkAdvice(fault, endpoint)
  }
  const value = strategy['s3.sts-endpoint'] ?? settings['s3.endpoint'] ?? 'the token service of AWS'
  return networkAdvice(fault, { setting: 'sts_endpoint', value }) ?? tokenServiceAdvice(fault, settings, strategy)
}
