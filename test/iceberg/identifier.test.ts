import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import {
  checkIdentifier,
  checkName,
  checkNamespace,
  decodeNamespacePath,
  decodePathSegment,
  encodeNamespacePath,
  encodePathSegment,
  namespaceKey,
  namespaceOfKey,
} from '../../src/iceberg/identifier.ts'

function refused(act: () => unknown, message: RegExp): void {
  assert.throws(
    act,
    (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message),
    String(message),
  )
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/
/** Any text that may be a name. */
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !CONTROL.test(text) && !['.', '..'].includes(text) && text.length <= 256 && text.isWellFormed())
const namespace = fc.array(name, { minLength: 1, maxLength: 5 })

describe('namespaces in paths', () => {
  test('any namespace survives, encoded as browsers and as Java do it', () => {
    fc.assert(
      fc.property(namespace, (levels) => {
        assert.deepEqual(decodeNamespacePath(encodeNamespacePath(levels)), levels)
        if (levels.length > 1) assert.deepEqual(decodeNamespacePath(encodeNamespacePath(levels), '.'), levels)
        const asForm = levels.map((level) => encodeURIComponent(level).replaceAll('%20', '+')).join('%1f')
        assert.deepEqual(decodeNamespacePath(asForm), levels)
        assert.deepEqual(namespaceOfKey(namespaceKey(levels)), levels)
      }),
    )
  })

  const cases: readonly [raw: string, separator: string | undefined, levels: string[]][] = [
    ['a', undefined, ['a']],
    ['a%1Fb', undefined, ['a', 'b']],
    ['a%1fb%1Fc', undefined, ['a', 'b', 'c']],
    ['a.b', undefined, ['a.b']],
    ['a.b', '.', ['a', 'b']],
    ['a%2Eb', '.', ['a.b']],
    ['a%2eb.c', '%2E', ['a', 'b.c']],
    ['a.b%1Fc', '.', ['a.b', 'c']],
    ['a%2Fb', undefined, ['a/b']],
    ['a+b', undefined, ['a b']],
    ['a%2Bb', undefined, ['a+b']],
    ['a%20b', undefined, ['a b']],
    ['a%2520b', undefined, ['a%20b']],
    ['a%251Fb', undefined, ['a%1Fb']],
    ['%C3%A9', undefined, ['é']],
    ['*%3F%24%7Bx%7D', undefined, ['*?${x}']],
    ['__proto__%1Fconstructor', undefined, ['__proto__', 'constructor']],
    ['a|b', '|', ['a', 'b']],
    ['a$$b', '$$', ['a', 'b']],
  ]
  for (const [raw, separator, levels] of cases) {
    test(`${raw} split at ${separator ?? '%1F'}`, () => assert.deepEqual(decodeNamespacePath(raw, separator), levels))
  }

  const broken: readonly [raw: string, message: RegExp][] = [
    ['%', /percent-encoding/],
    ['%zz', /percent-encoding/],
    ['a%1', /percent-encoding/],
    ['%C3', /percent-encoding/],
    ['%FF', /percent-encoding/],
    ['%ED%A0%80', /percent-encoding/],
    ['', /must not be empty/],
    ['a%1F', /must not be empty/],
    ['%1Fa', /must not be empty/],
    ['a%1F%1Fb', /must not be empty/],
    ['a%00b', /control character/],
    ['a%0Ab', /control character/],
    ['a%7Fb', /control character/],
    ['..', /must not be "\.\."/],
    ['a%1F%2E%2E', /must not be "\.\."/],
    ['a%1F.', /must not be "\."/],
    ['x'.repeat(257), /has 257 characters, at most 256/],
    [Array.from({ length: 33 }, () => 'x').join('%1F'), /33 levels, at most 32/],
  ]
  for (const [raw, message] of broken) test(`refuses ${raw.slice(0, 30)}`, () => refused(() => decodeNamespacePath(raw), message))
})

test('segments', () => {
  fc.assert(fc.property(name, (text) => assert.equal(decodePathSegment(encodePathSegment(text)), text)))
  assert.equal(decodePathSegment('a+b%2Bc%2fd'), 'a b+c/d')
  refused(() => decodePathSegment('100%'), /Invalid percent-encoding in "100%"/)
})

describe('identifiers in JSON', () => {
  test('accepts names of any script, wildcards and quotes', () => {
    for (const text of [
      'orders',
      'Ünïcode 表',
      '*',
      '?',
      "o'clock",
      '"',
      '${aws:username}',
      '...',
      'a/b',
      '%1F',
      'x'.repeat(256),
      '😀',
    ]) {
      checkName(text, 'Table name')
      checkIdentifier({ namespace: [text], name: text })
    }
  })

  test('refuses what could be mistaken', () => {
    for (const text of ['', '.', '..', 'a\u0000', '\u001f', 'a\r\nb', '\u007f', '\ud800', 'x'.repeat(257)]) {
      refused(() => checkName(text, 'View name'), /^View name /)
      refused(() => checkNamespace(['ok', text]), /^Namespace level /)
    }
  })

  test('refuses other shapes', () => {
    refused(() => checkNamespace([]), /at least one level/)
    refused(() => checkNamespace('a'), /namespace: expected an array/)
    refused(() => checkNamespace([1]), /namespace level: expected a string, got 1/)
    refused(() => checkIdentifier(null), /table identifier: expected an object/)
    refused(() => checkIdentifier({ name: 'a' }), /namespace: expected an array, got nothing/)
    refused(() => checkIdentifier({ namespace: ['a'] }, 'View'), /view name: expected a string, got nothing/)
    refused(() => checkNamespace(Array.from({ length: 1000 }, () => 'x')), /1000 levels/)
  })
})
