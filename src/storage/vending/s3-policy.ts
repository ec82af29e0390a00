/**
 * The session policy that narrows a role's credentials to the files of one table: built from canonical locations and
 * serialised as JSON, so that no name of anybody's is ever read as a part of the policy's grammar.
 */
import { stringify } from '../../iceberg/json.ts'
import { keysInOneBucket } from './strategies.ts'
import { VendingError, type VendScope } from './vending.ts'

/** What token services accept, in characters. */
export const MAX_POLICY_LENGTH = 2048

const READ = ['s3:GetObject']
/** Starting, filling and completing an upload in parts is a part of PutObject. */
const WRITE = [...READ, 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts']

/** Text that means itself in a resource or in a pattern: `*` and `?` are wildcards there, `${` begins a variable. */
export const literal = (text: string): string => text.replace(/[*?]|\$(?=\{)/g, '${$&}')

/** Token services take Latin-1; in JSON everything can be said in ASCII. */
const ascii = (json: string): string =>
  json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * Allows what `access` says for the files below the prefixes, and to list them.
 * @throws VendingError `invalid` when that can't be said, or not in 2048 characters
 */
export function sessionPolicy({ prefixes, access }: Pick<VendScope, 'prefixes' | 'access'>, partition = 'aws'): string {
  const { bucket, keys } = keysInOneBucket(prefixes)
  const resource = (key: string): string => `arn:${partition}:s3:::${literal(bucket)}${key}`
  const policy = ascii(
    stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: access === 'read' ? READ : WRITE,
          Resource: keys.map((key) => resource(`/${literal(key)}/*`)),
        },
        {
          Effect: 'Allow',
          Action: 's3:ListBucket',
          Resource: resource(''),
          Condition: { StringLike: { 's3:prefix': keys.map((key) => `${literal(key)}/*`) } },
        },
      ],
    }),
  )
  if (policy.length <= MAX_POLICY_LENGTH) return policy
  throw new VendingError(
    'invalid',
    `The session policy for ${prefixes[0]} has ${policy.length} characters, and token services accept ${MAX_POLICY_LENGTH}: give the table a shorter location`,
  )
}
