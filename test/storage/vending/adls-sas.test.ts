/**
 * Signatures for directories against the generator of Azure's own Data Lake client: an implementation that is not ours. No
 * emulator accepts signatures for directories, so this is what stands for Azure's check.
 */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  DirectorySASPermissions,
  FileSystemSASPermissions,
  generateDataLakeSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type DataLakeSASSignatureValues,
} from '@azure/storage-file-datalake'
import * as fc from 'fast-check'
import { SAS_VERSION, serviceSas, userDelegationSas, type SasGrant } from '../../../src/storage/vending/adls-sas.ts'

const accountKey = randomBytes(64).toString('base64')

/** Names of directories that somebody might think of, and what grammars of all kinds think is theirs. */
const segment = fc.oneof(
  fc.constantFrom(
    't',
    'sales',
    'a b',
    "it's",
    '"q"',
    'p=a%2Fb',
    '%25',
    'a+b&sig=x',
    '?sp=racwdl',
    '#',
    '...',
    '~t',
    '\t',
    '\u0000',
    '*',
    '${x}',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => text.replace(/[/\r\n]/g, '_')),
  fc.constantFrom('\u00fcn\u00efc\u00f6de', '\u{1f980}', '\u202e', 'e\u0301'),
)
const grants: fc.Arbitrary<SasGrant> = fc.record({
  account: fc.stringMatching(/^[a-z0-9]{3,24}$/),
  container: fc.stringMatching(/^[a-z0-9]{3,30}$/),
  directory: fc.array(segment, { minLength: 1, maxLength: 8 }).map((segments) => segments.join('/')),
  permissions: fc.constantFrom('rl', 'racwdl'),
  expiresOn: fc.date({ min: new Date('2026-01-01'), max: new Date('2099-01-01'), noInvalidDate: true }),
  plainHttp: fc.boolean(),
})

/** What the Data Lake client makes of it, by parameter. */
function expected(grant: SasGrant, sign: (values: DataLakeSASSignatureValues) => { toString(): string }): Map<string, string> {
  const { directory } = grant
  const values: DataLakeSASSignatureValues = {
    fileSystemName: grant.container,
    ...(directory === undefined
      ? { permissions: FileSystemSASPermissions.parse(grant.permissions) }
      : { pathName: directory, isDirectory: true, permissions: DirectorySASPermissions.parse(grant.permissions) }),
    expiresOn: grant.expiresOn,
    protocol: grant.plainHttp ? SASProtocol.HttpsAndHttp : SASProtocol.Https,
    version: SAS_VERSION,
    ...(grant.correlationId === undefined ? {} : { correlationId: grant.correlationId }),
  }
  return byParameter(sign(values).toString())
}
const byParameter = (query: string): Map<string, string> => new Map([...new URLSearchParams(query)].toSorted())

describe('signatures for a directory of Azure (no emulator accepts them: compared with the generator of its Data Lake client)', () => {
  it('signed with the key of the account', () => {
    fc.assert(
      fc.property(grants, (grant) => {
        const credential = new StorageSharedKeyCredential(grant.account, accountKey)
        const theirs = expected(grant, (values) => generateDataLakeSASQueryParameters(values, credential))
        assert.deepEqual(byParameter(serviceSas(grant, accountKey)), theirs)
      }),
      { numRuns: 500 },
    )
  })

  it('signed with a key that was delegated to a principal', () => {
    fc.assert(
      fc.property(grants, fc.option(fc.uuid(), { nil: undefined }), (grant, correlationId) => {
        const key = {
          signedObjectId: randomUUID(),
          signedTenantId: randomUUID(),
          signedStartsOn: new Date('2026-01-01T00:00:00Z'),
          signedExpiresOn: new Date('2026-01-02T00:00:00Z'),
          signedService: 'b',
          signedVersion: SAS_VERSION,
          value: accountKey,
        }
        const whole = { ...grant, correlationId }
        const theirs = expected(whole, (values) => generateDataLakeSASQueryParameters(values, key, grant.account))
        assert.deepEqual(byParameter(userDelegationSas(whole, key)), theirs)
      }),
      { numRuns: 500 },
    )
  })

  it('for a whole container, where the warehouse says so', () => {
    const grant: SasGrant = {
      account: 'account',
      container: 'container',
      directory: undefined,
      permissions: 'rl',
      expiresOn: new Date('2030-01-01T00:00:00Z'),
      plainHttp: false,
    }
    const credential = new StorageSharedKeyCredential('account', accountKey)
    const theirs = expected(grant, (values) => generateDataLakeSASQueryParameters(values, credential))
    assert.deepEqual(byParameter(serviceSas(grant, accountKey)), theirs)
  })

  it('never mean the whole container for want of a name, nor hold fields of their own in one', () => {
    const grant = {
      account: 'account',
      container: 'container',
      permissions: 'rl',
      expiresOn: new Date('2030-01-01T00:00:00Z'),
      plainHttp: false,
    }
    for (const directory of ['', 'a\nrl', 'a\r\nb'])
      assert.throws(() => serviceSas({ ...grant, directory }, accountKey), TypeError)
  })
})
