import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import {
  acceptLocation,
  bucketAndKey,
  canonicalFile,
  canonicalLocation,
  isBelow,
  joinLocation,
  localPath,
  locationSegment,
  overlaps,
  schemeOf,
  type Location,
} from '../../src/iceberg/location.ts'

const refused = (text: string, options = {}): void => {
  assert.throws(
    () => canonicalLocation(text, options),
    (error: unknown) => error instanceof IcebergError && error.code === 400 && error.message.startsWith(`Invalid location "`),
    `accepted ${encodeURI(text.toWellFormed())}`,
  )
}

describe('canonicalLocation', () => {
  const accepted: [string, string][] = [
    ['file:/tmp/x', 'file:///tmp/x'],
    ['file:///tmp/x', 'file:///tmp/x'],
    ['file:///tmp/x/', 'file:///tmp/x'],
    ['FILE:/tmp/X', 'file:///tmp/X'],
    ['file:///C:/data/x', 'file:///C:/data/x'],
    ['s3://bucket', 's3://bucket'],
    ['s3://bucket/', 's3://bucket'],
    ['S3A://My-Bucket/A/b', 's3://my-bucket/A/b'],
    ['s3n://b.ck_t/k', 's3://b.ck_t/k'],
    ['s3://bucket/a=1/b@c/d+e/f:g', 's3://bucket/a=1/b@c/d+e/f:g'],
    ['s3://bucket/with space/..x/x..', 's3://bucket/with space/..x/x..'],
    ['s3://bucket/caf\u00e9/%D1%8F/%2F/%25', 's3://bucket/caf\u00e9/%D1%8F/%2F/%25'],
    ['gs://bucket/x', 'gs://bucket/x'],
    ['gcs://bucket/x', 'gs://bucket/x'],
    ['abfss://c@acct.dfs.core.windows.net/x', 'abfss://c@acct.dfs.core.windows.net/x'],
    ['abfs://c@ACCT.dfs.core.windows.net/x', 'abfss://c@acct.dfs.core.windows.net/x'],
    ['wasbs://c@acct.blob.core.windows.net/x', 'abfss://c@acct.dfs.core.windows.net/x'],
    ['wasb://cont/x', 'abfss://cont/x'],
  ]
  for (const [text, canonical] of accepted) {
    it(`accepts ${text}`, () => {
      assert.equal(canonicalLocation(text), canonical)
      assert.equal(canonicalLocation(canonical), canonical)
    })
  }

  const invisible = [
    '\u0000',
    '\u0007',
    '\r',
    '\n',
    '\t',
    '\u007f',
    '\u0085',
    '\u00ad',
    '\u200b',
    '\u200d',
    '\u202e',
    '\u2028',
    '\ufeff',
    '\u{e0041}',
    '\u00a0',
    '\u2003',
    '\u3000',
  ]
  const special = [
    '*',
    '?',
    '"',
    "'",
    '`',
    '{',
    '}',
    '[',
    ']',
    '<',
    '>',
    '|',
    '^',
    '\\',
    '#',
    ';',
    '${aws:username}',
    '?versionId=1',
  ]
  const dots = [
    '..',
    '.',
    '%2e%2e',
    '%2E.',
    '.%2e',
    '%2e',
    '%252e%252e',
    '%25252e%25252E',
    '%252e.',
    '..%2fx',
    'x%2f..',
    '..%5c',
    'x%5c..',
    'x%255c..',
    '%zz',
    '%25zz/%252e%252e',
    '\uff0e\uff0e',
    '%EF%BC%8E%EF%BC%8E',
    '\u2025',
    '\u2024\u2024',
    'x%c0%ae%c0%ae',
    '%c0%ae',
  ]
  const others = [
    '',
    'a//b',
    '/',
    '%',
    '%4',
    '%00',
    '%0a',
    '%2500',
    '%7f',
    '%c2%85',
    '%ff',
    'e\u0301',
    'Å'.normalize('NFD'),
    '\ud800',
    'x'.repeat(1025),
  ]
  for (const base of ['file:///tmp', 's3://bucket', 'gs://bucket', 'abfss://c@a.dfs.core.windows.net']) {
    for (const bad of [...invisible, ...special, ...dots, ...others]) {
      it(`refuses ${encodeURI(bad.toWellFormed()).slice(0, 40)} below ${base}`, () => {
        for (const text of [`${base}/a/${bad}/b`, ...(bad === '' || bad === '/' ? [] : [`${base}/${bad}`, `${base}/a/${bad}/`])])
          refused(text)
      })
    }
  }

  for (const text of [
    '',
    ' ',
    'x',
    '/tmp/x',
    'tmp/x',
    './x',
    '//host/x',
    'C:\\x',
    'C:/x',
    'file:',
    'file://',
    'file:///',
    'file:x',
    'file://host/x',
    'file://localhost/x',
    'file:////x',
    'file:///x//',
    's3:',
    's3:/',
    's3:/b/x',
    's3://',
    's3:///x',
    's3:bucket/x',
    's3://b',
    's3://ab/x',
    's3://-bu/x',
    's3://bu-/x',
    's3://bu..ck/x',
    's3://bucket./x',
    's3://bucket:9000/x',
    's3://user@bucket/x',
    's3://user:pw@bucket/x',
    's3://b%75cket/x',
    's3://buck et/x',
    's3://bu*et/x',
    's3://\u212aucket/x',
    's3://bucket\u200b/x',
    's3://bucket?x',
    's3://bucket#x',
    's3://../x',
    's3://bucket//',
    's3://bucket\\@other/x',
    'abfss://a@b@c.dfs.core.windows.net/x',
    'abfss://c@acct.dfs.core.windows.net./x',
    'abfss://c@acct.dfs.core.windows.net:443/x',
    'abfss://@acct/x',
    'abfss:///x',
    'abfss://C c@a/x',
    'http://169.254.169.254/latest',
    'https://bucket.s3.amazonaws.com/x',
    'hdfs://nn/x',
    'ftp://b/x',
    'javascript:alert(1)',
    'data:text/plain,x',
    ' s3://bucket/x',
    '\ufeffs3://bucket/x',
    's3 ://bucket/x',
    'S3://BUCKET/../x',
    'oss://bucket/x',
  ]) {
    it(`refuses ${encodeURI(text)}`, () => refused(text))
  }

  it('accepts a bare absolute path only where asked', () => {
    assert.equal(canonicalLocation('/data/lake/', { barePath: true }), 'file:///data/lake')
    for (const text of ['data', '/', '//x', '/a/../b', '/a//b']) refused(text, { barePath: true })
  })

  it('accepts only the schemes asked for, on the fast path too', () => {
    assert.equal(canonicalLocation('s3a://bucket/x', { schemes: ['s3'] }), 's3://bucket/x')
    for (const text of ['s3://bucket/x', 's3a://bucket/x y']) refused(text, { schemes: ['file'] })
    refused('file:///etc/passwd', { schemes: ['s3', 'gs'] })
  })

  it('bounds the bytes, not the characters', () => {
    assert.ok(canonicalLocation(`s3://bucket/${'x'.repeat(1012)}`))
    refused(`s3://bucket/${'x'.repeat(1013)}`)
    refused(`s3://bucket/${'\u00e9'.repeat(600)}`)
  })

  it('shows hostile text escaped and bounded in its message', () => {
    assert.throws(
      () => canonicalLocation(`s3://bucket/a\r\n\u202e${'x'.repeat(5000)}`),
      (error: Error) =>
        !/[\r\n\u202e]/.test(error.message) && error.message.length < 400 && error.message.includes('\\u{d}\\u{a}\\u{202e}'),
    )
  })

  it('answers hostile text in linear time', () => {
    const before = process.cpuUsage().user
    for (const text of [
      's3://bucket' + '/a'.repeat(500) + '!;',
      's3://bucket/' + '%25'.repeat(330) + '2e',
      's3://bu' + '-.'.repeat(400),
      'abfss://' + 'a-'.repeat(400),
    ]) {
      for (let i = 0; i < 20; i += 1)
        try {
          canonicalLocation(text)
        } catch {}
    }
    assert.ok(process.cpuUsage().user - before < 5_000_000)
  })

  it('is idempotent, and the fast path agrees with the slow one', () => {
    const segment = fc.string({ unit: fc.constantFrom('a', 'B', '.', '%', '2', 'e', '/', ':', '~', ' ', '\u00e9', '-') })
    fc.assert(
      fc.property(fc.constantFrom('s3://bucket/', 's3a://bucket/', 'file:///', 'file:/'), segment, (base, rest) => {
        let canonical: Location
        try {
          canonical = canonicalLocation(base + rest)
        } catch {
          return
        }
        assert.equal(canonicalLocation(canonical), canonical)
        // A different spelling of the scheme takes the slow path.
        assert.equal(canonicalLocation(canonical.replace(/^[a-z0-9]+/, (scheme) => scheme.toUpperCase())), canonical)
        assert.ok(!canonical.endsWith('/') && !/\/\.{0,2}(\/|$)/.test(canonical.replace('://', ':')))
      }),
    )
  })
})

describe('acceptLocation', () => {
  it('keeps the spelling of the client beside the canonical form', () => {
    assert.deepEqual(acceptLocation('file:/tmp/x'), { canonical: 'file:///tmp/x', spelling: 'file:/tmp/x' })
    assert.deepEqual(acceptLocation('s3a://Bucket/x/'), { canonical: 's3://bucket/x', spelling: 's3a://Bucket/x' })
  })
})

describe('canonicalFile', () => {
  it('accepts partition values of any kind in paths of files', () => {
    assert.equal(
      canonicalFile('s3a://bucket/t/data/p=%2A*?"/ts=10%3A00/f.parquet'),
      's3://bucket/t/data/p=%2A*?"/ts=10%3A00/f.parquet',
    )
    assert.equal(canonicalFile('file:/t/data/p=e\u0301/100%/f.parquet'), 'file:///t/data/p=e\u0301/100%/f.parquet')
  })
  for (const text of [
    's3://bucket/t/../u/f',
    's3://bucket/t/./f',
    's3://bucket/t//f',
    's3://bucket/t/f/',
    's3://bucket/t\\..\\f',
    's3://bucket/t/\n',
    'relative/f',
    '/t/f',
    'http://h/f',
    '',
  ]) {
    it(`gives up on ${encodeURI(text)}`, () => assert.equal(canonicalFile(text), undefined))
  }
})

describe('comparing locations', () => {
  const at = (text: string): Location => canonicalLocation(text)
  it('compares on segment boundaries', () => {
    assert.ok(isBelow(at('s3://bucket/t'), at('s3://bucket/t/data')))
    assert.ok(isBelow(at('s3://bucket'), at('s3://bucket/t')))
    for (const [parent, child] of [
      ['s3://bucket/t', 's3://bucket/t2'],
      ['s3://bucket/t', 's3://bucket/t'],
      ['s3://bucket/t', 's3://bucket/t_secret/x'],
      ['s3://bucket', 's3://bucket2/x'],
      ['s3://bucket/t/x', 's3://bucket/t'],
      ['file:///t', 's3://bucket/t'],
    ] as const)
      assert.ok(!isBelow(at(parent), at(child)), `${child} below ${parent}`)
  })
  it('knows overlaps in both directions', () => {
    const [a, b, c] = [at('file:/w/a'), at('file:///w/a/b'), at('file:///w/ab')]
    assert.ok(overlaps(a, b) && overlaps(b, a) && overlaps(a, at('file:/w/a/')))
    assert.ok(!overlaps(a, c) && !overlaps(c, b))
  })
})

describe('joinLocation', () => {
  const root = canonicalLocation('s3://bucket/lake')
  it('keeps plain names readable and escapes the rest', () => {
    assert.equal(joinLocation(root, 'sales', 'orders_2026'), 's3://bucket/lake/sales/orders_2026')
    assert.equal(joinLocation(root, 'a b/c%d', '\u00fc'), 's3://bucket/lake/a%20b%2Fc%25d/%C3%BC')
    assert.equal(joinLocation(root, "it's*?~"), 's3://bucket/lake/it%27s%2A%3F%7E')
  })

  it('has no escapes on Azure, where some clients decode them', () => {
    const azure = canonicalLocation('abfss://c@a.dfs.core.windows.net/lake')
    assert.equal(joinLocation(azure, 'sales', 'orders_2026'), `${azure}/sales/orders_2026`)
    const names = ['a b', 'a%20b', "it's", '\u00fc', '~', 'a/b', 'a%2Fb']
    const places = names.map((name) => joinLocation(azure, name))
    assert.equal(new Set(places).size, names.length)
    for (const place of places) assert.match(place.slice(azure.length), /^\/[A-Za-z0-9_-]*~[0-9a-f]{32}$/)
    for (const text of [`${azure}/a%20b`, `${azure}/a%2Fb`, `wasbs://c@a.blob.core.windows.net/a%25`]) refused(text)
    assert.equal(canonicalFile(`${azure}/t/p=a%2Fb/f`), `${azure}/t/p=a%2Fb/f`)
  })
  it('gives names without a readable form a digest', () => {
    for (const name of [
      '.',
      '..',
      '',
      '\uff0e\uff0e',
      '\u0000',
      'a\nb',
      '\ud800',
      '../../etc',
      '%2e%2e',
      '%252e%252e/x',
      'x'.repeat(300),
    ]) {
      const [parts, location] = [locationSegment(name), joinLocation(root, name, 'metadata')]
      assert.ok(isBelow(root, location) && location.split('/').length === 6, location)
      assert.ok(parts.length <= 200)
    }
  })
  it('gives any two names two places exactly below the parent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }), (a, b) => {
        const [x, y] = [joinLocation(root, a), joinLocation(root, b)]
        assert.equal(x === y, a === b)
        assert.ok(isBelow(root, x) && !x.slice(root.length + 1).includes('/') && !overlaps(x, y) === (a !== b))
      }),
    )
  })
  it('refuses what becomes too long', () => {
    assert.throws(() => joinLocation(root, ...Array.from({ length: 10 }, () => 'x'.repeat(170))), IcebergError)
  })
})

describe('taking a location apart', () => {
  it('gives bucket and key, scheme and path', () => {
    assert.deepEqual(bucketAndKey(canonicalLocation('s3://bucket/a/b')), { bucket: 'bucket', key: 'a/b' })
    assert.deepEqual(bucketAndKey(canonicalLocation('s3://bucket')), { bucket: 'bucket', key: '' })
    assert.equal(localPath(canonicalLocation('file:/a/%20b')), '/a/%20b')
    assert.throws(() => localPath(canonicalLocation('s3://bucket/a')), TypeError)
    assert.equal(schemeOf(canonicalLocation('wasbs://c@a.blob.core.windows.net/x')), 'abfss')
  })
})
