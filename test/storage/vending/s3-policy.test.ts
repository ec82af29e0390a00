import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { canonicalLocation, type Location } from '../../../src/iceberg/location.ts'
import { literal, MAX_POLICY_LENGTH, sessionPolicy } from '../../../src/storage/vending/s3-policy.ts'
import { commonAncestor } from '../../../src/storage/vending/strategies.ts'
import { VendingError } from '../../../src/storage/vending/vending.ts'
import { allows } from './iam.ts'

const at = (...texts: string[]): Location[] => texts.map((text) => canonicalLocation(text))
const READS = ['s3:GetObject']
const WRITES = ['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts']
const NEVER = [
  's3:PutObjectAcl',
  's3:GetObjectAcl',
  's3:DeleteObjectVersion',
  's3:PutBucketPolicy',
  's3:DeleteBucket',
  's3:ListAllMyBuckets',
  's3:PutObjectTagging',
  'iam:CreateUser',
  'sts:AssumeRole',
]
const object = (action: string, key: string, bucket = 'lake') => ({ action, resource: `arn:aws:s3:::${bucket}/${key}` })
const listing = (prefix: string | undefined, bucket = 'lake') => ({
  action: 's3:ListBucket',
  resource: `arn:aws:s3:::${bucket}`,
  ...(prefix === undefined ? {} : { context: { 's3:prefix': prefix } }),
})

describe('the session policy of a table', () => {
  it('opens its files, for reading or for both', () => {
    for (const access of ['read', 'read-write'] as const) {
      const policy = sessionPolicy({ prefixes: at('s3://lake/ns/t'), access })
      for (const key of ['ns/t/data/a.parquet', 'ns/t/metadata/00000.metadata.json', 'ns/t/data/p=%2F*/x?.parquet']) {
        for (const action of READS) assert.ok(allows(policy, object(action, key)), `${action} ${key}`)
        for (const action of WRITES)
          assert.equal(allows(policy, object(action, key)), access === 'read-write', `${action} ${key}`)
        for (const action of NEVER) assert.ok(!allows(policy, object(action, key)), `${action} ${key}`)
      }
      for (const prefix of ['ns/t/', 'ns/t/data/', 'ns/t/data/a']) assert.ok(allows(policy, listing(prefix)), prefix)
    }
  })

  it('opens nothing beside them', () => {
    const policy = sessionPolicy({ prefixes: at('s3://lake/ns/t'), access: 'read-write' })
    for (const action of [...READS, ...WRITES, ...NEVER]) {
      for (const key of ['ns/t2/a', 'ns/t', 'ns/t2', 'ns/a', 'a', '', 'ns/', 'NS/t/a', 'x/ns/t/a', 'ns/t%2Fa', 'ns//t/a'])
        assert.ok(!allows(policy, object(action, key)), `${action} ${key}`)
      assert.ok(!allows(policy, object(action, 'ns/t/a', 'lake2')), action)
      assert.ok(!allows(policy, object(action, 'ns/t/a', 'lak')), action)
    }
    for (const prefix of [undefined, '', 'ns', 'ns/', 'ns/t', 'ns/t2', 'ns/t2/', 'n'])
      assert.ok(!allows(policy, listing(prefix)), String(prefix))
    assert.ok(!allows(policy, listing('ns/t/', 'other')))
  })

  it('opens each of several places, in the partition of the role', () => {
    const policy = sessionPolicy({ prefixes: at('s3://lake/ns/t', 's3://lake/data/u'), access: 'read' }, 'aws-cn')
    for (const [key, open] of [
      ['ns/t/a', true],
      ['data/u/a', true],
      ['data/u2/a', false],
      ['data/a', false],
    ] as const) {
      assert.equal(allows(policy, { action: 's3:GetObject', resource: `arn:aws-cn:s3:::lake/${key}` }), open, key)
      assert.ok(!allows(policy, object('s3:GetObject', key)))
    }
  })

  it('takes wildcards and variables of a location for what they are', () => {
    // No location that a client can send has these: what stands here has got past that check.
    for (const segment of [
      '*',
      '?',
      't*',
      '${aws:username}',
      '$',
      '${*}',
      '"',
      '\\',
      '"],"Resource":["*',
      '\n',
      'é',
      '\u{1F9CA}',
    ]) {
      const policy = sessionPolicy({ prefixes: [`s3://lake/ns/${segment}` as Location], access: 'read-write' })
      assert.match(policy, /^[ -~]+$/)
      const context = { 'aws:username': 'victim' }
      const get = (key: string) => allows(policy, { ...object('s3:GetObject', key), context })
      assert.ok(get(`ns/${segment}/a`), segment)
      for (const other of ['ns/victim/a', 'ns/x/a', 'ns/tx/a', 'ns/tt/a', 'a']) assert.ok(!get(other), `${segment} ${other}`)
    }
  })

  it('opens what is below its prefixes, for any names', () => {
    const character = fc.constantFrom('a', 'b', '*', '?', '$', '{', '}', '/', '.', '%', ':', '=', 'é')
    const key = fc.string({ unit: character, minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(key, key, (prefix, file) => {
        const policy = sessionPolicy({ prefixes: [`s3://lake/${prefix}` as Location], access: 'read' })
        assert.equal(allows(policy, object('s3:GetObject', file)), file.startsWith(`${prefix}/`))
        assert.ok(allows(policy, object('s3:GetObject', `${prefix}/${file}`)))
        assert.equal(allows(policy, listing(file)), file.startsWith(`${prefix}/`))
      }),
    )
  })

  it('is never one for a whole bucket, for several, or for none', () => {
    const refused = (prefixes: Location[], message: RegExp) =>
      assert.throws(
        () => sessionPolicy({ prefixes, access: 'read' }),
        (error: unknown) => error instanceof VendingError && error.kind === 'invalid' && message.test(error.message),
      )
    refused([], /without a location/)
    refused(at('s3://lake'), /whole of s3:\/\/lake/)
    refused(at('s3://lake/a', 's3://lake'), /whole of s3:\/\/lake/)
    refused(at('s3://lake/a', 's3://other/b'), /several buckets/)
  })

  it('is as long as token services accept, or refused with what to do', () => {
    const long = (length: number) => at(`s3://lake/${'a/'.repeat(length / 2)}t`)
    assert.ok(sessionPolicy({ prefixes: long(800), access: 'read-write' }).length <= MAX_POLICY_LENGTH)
    assert.throws(() => sessionPolicy({ prefixes: long(1000), access: 'read-write' }), /shorter location/)
    const many = Array.from({ length: 500 }, (_, index) => `s3://lake/place/${index}`)
    assert.throws(() => sessionPolicy({ prefixes: at(...many), access: 'read' }), /shorter location/)
  })
})

describe('parts of it', () => {
  it('literal leaves nothing that means more than itself', () => {
    assert.equal(literal('a*b?c${d}e$f'), 'a${*}b${?}c${$}{d}e$f')
  })
  it('commonAncestor holds all places, on whole segments', () => {
    const of = (...texts: string[]) => commonAncestor(at(...texts))
    assert.equal(of('s3://lake/ns/t'), 's3://lake/ns/t')
    assert.equal(of('s3://lake/ns/t', 's3://lake/ns/t2'), 's3://lake/ns')
    assert.equal(of('s3://lake/a', 's3://lake/b'), 's3://lake')
  })
})
