import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { parse, quoteEach, RawNumber, stringify } from '../../src/iceberg/json.ts'
import { isLong, MAX_LONG, MIN_LONG, normalizeLong } from '../../src/iceberg/long.ts'

const int64 = fc.oneof(
  fc.bigInt({ min: MIN_LONG, max: MAX_LONG }),
  fc.maxSafeInteger().map(BigInt),
  fc.bigInt({ min: 2n ** 53n - 10n, max: 2n ** 53n + 10n }),
  fc.constantFrom(MIN_LONG, MAX_LONG, 9007199254740993n, 0n, -1n),
)

/** Number texts of every spelling that the grammar has. */
const numberText = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,20}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?[0-9]{1,3}$/)),
  )
  .map((parts) => parts.join(''))

function refused(input: string | Uint8Array, message: RegExp, limits = {}): void {
  assert.throws(
    () => parse(input, limits),
    (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message) && error.message.length < 400,
    `${String(input).slice(0, 40)} should be refused with ${message}`,
  )
}

describe('numbers', () => {
  test('every 64-bit integer survives in every position', () => {
    fc.assert(
      fc.property(int64, int64, (a, b) => {
        const text = `{"snapshot-id":${a},"log":[${b},[${a}],{"x":{"y":${b}}}],"${a}":"${b}"}`
        const value = parse(text)
        assert.equal(stringify(value), orderedByJs(text, a))
        const id = (value as Record<string, unknown>)['snapshot-id']
        assert.ok(isLong(id))
        assert.equal(id, normalizeLong(a))
        assert.equal(BigInt(id), a)
      }),
    )
  })

  test('every number text survives byte for byte', () => {
    fc.assert(
      fc.property(numberText, (text) => {
        assert.equal(stringify(parse(text)), text)
        assert.equal(stringify(parse(` [ ${text} , {"a" : ${text}}] `)), `[${text},{"a":${text}}]`)
      }),
      { numRuns: 1000 },
    )
  })

  test('a fraction that JavaScript spells alike is a number, any other literal keeps its text', () => {
    assert.equal(parse('0.1'), 0.1)
    assert.equal(parse('-2.5'), -2.5)
    for (const text of ['1.0', '1e3', '-0', '0.10', '1E400', '123456789012345678.5']) {
      const value = parse(text)
      assert.ok(value instanceof RawNumber, text)
      assert.equal(value.source, text)
      assert.equal(value.valueOf(), Number(text))
      assert.equal(isLong(value), false)
    }
  })

  test('integers beyond 64 bits are exact, and no Long', () => {
    const value = parse('9223372036854775808')
    assert.equal(value, 2n ** 63n)
    assert.equal(isLong(value), false)
    assert.equal(isLong(parse('10000000000000000000')), false)
    assert.equal(parse('9223372036854775807'), MAX_LONG)
    assert.equal(parse('-9223372036854775808'), MIN_LONG)
  })

  test('what is no JSON number is refused', () => {
    for (const text of [
      '01',
      '-',
      '+1',
      '1.',
      '.5',
      '1e',
      '1e+',
      '0x10',
      'NaN',
      'Infinity',
      '-Infinity',
      '1_000',
      '00',
      '-01',
      '1n',
    ]) {
      refused(text, /expected/)
    }
  })

  test('a number of absurd length is refused before it is computed', () => {
    refused('9'.repeat(1_000_000), /a number of 1000000 characters, at most 1000/)
    refused(`0.${'1'.repeat(2000)}`, /characters/)
  })
})

/** JavaScript lists integer-like keys first; the key in the test may be one. */
function orderedByJs(text: string, key: bigint): string {
  const isIndex = key >= 0n && key < 2n ** 32n - 1n
  if (!isIndex) return text
  const match = /^\{(.*),("\d+":"-?\d+")\}$/.exec(text)
  return `{${match?.[2]},${match?.[1]}}`
}

describe('agreement with the built-in parser', () => {
  test('any JSON value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        const native = JSON.parse(text) as unknown
        const bytes = new TextEncoder().encode(text)
        let mine: unknown
        try {
          mine = parse(bytes)
        } catch (error) {
          // Duplicate keys and lone surrogates, which the built-in parser lets pass.
          assert.match(String(error), /duplicate key|lone surrogate/)
          return
        }
        assert.deepEqual(JSON.parse(stringify(mine)), native)
      }),
      { numRuns: 1000 },
    )
  })

  test('any damaged JSON text is refused by both or read alike by both', () => {
    const damaged = fc
      .tuple(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom('', '"', '{', ']', ',', ':', '\\', '0', '-', ' ', '\u0000', '\n', 'e', '.'),
      )
      .map(([text, at, insert]) => text.slice(0, at % (text.length + 1)) + insert + text.slice((at % (text.length + 1)) + 1))
    fc.assert(
      fc.property(damaged, (text) => {
        let native: unknown
        let failed = false
        try {
          native = JSON.parse(text)
        } catch {
          failed = true
        }
        if (failed) return refused(text, /Invalid JSON/)
        try {
          assert.deepEqual(JSON.parse(stringify(parse(text))), native)
        } catch (error) {
          assert.match(String(error), /duplicate key|lone surrogate/)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('any string is written as the built-in writer does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(stringify(text), JSON.stringify(text))
        assert.equal(parse(stringify(text)), text)
      }),
    )
  })

  test('white space is what the grammar says', () => {
    assert.deepEqual(parse(' \t\r\n{ "a" : [ 1 , 2 ] , "b" : { } , "c" : [ ] } \n'), { a: [1, 2], b: {}, c: [] })
    refused('\u00a01', /position 0: expected a value/)
    refused('\f1', /expected a value/)
  })
})

describe('hostile documents', () => {
  test('duplicate keys are refused and named, at any depth and in any spelling', () => {
    refused('{"type":"a","type":"b"}', /duplicate key "type"/)
    refused('[{"a":{"x":1,"y":2,"x":1}}]', /position 19: duplicate key "x"/)
    refused('{"a":1,"\\u0061":2}', /duplicate key "a"/)
    refused('{"__proto__":1,"__proto__":2}', /duplicate key "__proto__"/)
    refused('{"1":1,"1":2}', /duplicate key "1"/)
    refused('{"a":null,"a":null}', /duplicate key "a"/)
    refused(`{"${'k'.repeat(9999)}":1,"${'k'.repeat(9999)}":2}`, /duplicate key "k{100}\.\.\."/)
  })

  test('names of Object.prototype are keys like any other', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
      const text = `{"${key}":{"polluted":true}}`
      const value = parse(text) as Record<string, unknown>
      assert.deepEqual(Object.keys(value), [key])
      assert.ok(Object.hasOwn(value, key))
      assert.equal(Object.getPrototypeOf(value), Object.prototype)
      assert.equal(stringify(value), text)
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  test('the count of values is limited, where a limit is given', () => {
    assert.deepEqual(parse('[1,{"a":[]}]', { maxValues: 4 }), [1, { a: [] }])
    assert.throws(() => parse('[1,{"a":[]}]', { maxValues: 3 }), /more than 3 values/)
    assert.throws(() => parse(`[${'[],'.repeat(100_000)}1]`, { maxValues: 1000 }), /more than 1000 values/)
  })

  test('the count of keys of an object is limited, where a limit is given', () => {
    assert.deepEqual(parse('{"a":1,"b":{"a":1,"b":2}}', { maxKeys: 2 }), { a: 1, b: { a: 1, b: 2 } })
    assert.throws(() => parse('[{"a":1,"b":2,"c":3}]', { maxKeys: 2 }), /an object of more than 2 keys/)
  })

  test('depth is limited, with a limit that the stack can bear', () => {
    assert.equal(stringify(parse('['.repeat(512) + ']'.repeat(512))), '['.repeat(512) + ']'.repeat(512))
    refused('['.repeat(513) + ']'.repeat(513), /nested deeper than 512 levels/)
    refused('['.repeat(1_000_000), /nested deeper than 512/)
    refused('{"a":'.repeat(10_000), /nested deeper than 512/)
    refused('[[1]]', /nested deeper than 1 levels/, { maxDepth: 1 })
  })

  test('names are quoted one by one or all at once, with the same outcome', () => {
    const each = (names: readonly string[]) => names.map((name) => `{"n":${stringify(name)}}`).join(',')
    for (const names of [[], ['a'], ['a', 'b'], ['a"', 'b'], ['\\', '\u0000', 'é'], ['\ud83d', '\udc27'], ['', '']])
      assert.equal(quoteEach(names, '{"n":', '}'), each(names))
  })

  test('one value and nothing else', () => {
    refused('', /the end of the text: expected a value/)
    refused('   ', /expected a value/)
    refused('{} {}', /position 3: expected the end of the text/)
    refused('1 2', /expected the end/)
    refused('null,', /expected the end/)
    refused('{"a":1', /the end of the text: expected "," or "}"/)
    refused('{"a":1,}', /expected a key in double quotes/)
    refused('[1,]', /expected a value/)
    refused("{'a':1}", /expected a key in double quotes/)
    refused('{a:1}', /expected a key/)
    refused('{"a" 1}', /expected ":"/)
    refused('"abc', /expected the end of a string/)
    refused('tru', /expected "true"/)
    refused('// x\n1', /expected a value/)
  })

  test('byte order mark, broken UTF-8, lone surrogates and control characters are refused', () => {
    refused('\ufeff{}', /position 0: expected a value/)
    refused(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), /position 0: expected a value/)
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xe2, 0x82, 0x22],
    ]) {
      refused(new Uint8Array(bytes), /not UTF-8/)
    }
    refused('"\\ud800"', /lone surrogate/)
    refused('"\\udc00\\ud800"', /lone surrogate/)
    refused('{"\\ud83d":1}', /lone surrogate/)
    refused('"\ud800"', /lone surrogate/)
    refused('"a\u0000b"', /position 2: expected an escape for a control character/)
    refused('"a\nb"', /control character/)
    refused('"\\x41"', /expected an escape/)
    refused('"\\u12g4"', /four hexadecimal digits/)
    refused('"\\u12', /four hexadecimal digits/)
    assert.equal(parse('"\\ud83d\\ude00 \\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"'), '\u{1f600} "\\/\b\f\n\r\t\u0000')
  })

  test('size is limited, answered as too large', () => {
    assert.throws(
      () => parse('[1,2,3]', { maxBytes: 6 }),
      (error) => error instanceof IcebergError && error.code === 413,
    )
    assert.deepEqual(parse('[1,2,3]', { maxBytes: 7 }), [1, 2, 3])
  })

  test('a million keys and a very long string', () => {
    const keys = Array.from({ length: 1_000_000 }, (_, i) => `"k${i}":${i}`).join()
    assert.equal(Object.keys(parse(`{${keys}}`) as object).length, 1_000_000)
    const long = 'x'.repeat(5_000_000)
    assert.equal(parse(`"${long}"`), long)
    assert.equal((parse(`"\\n${long}"`) as string).length, 5_000_001)
  })

  test('a message never repeats much of the content', () => {
    refused(`{"a":${'z'.repeat(100_000)}`, /position 5: expected a value$/)
  })
})

describe('writing', () => {
  test('compact, without undefined, bigints as digits', () => {
    assert.equal(
      stringify({ a: 1, b: undefined, c: [null, true, 'x', 2n ** 62n], d: new RawNumber('1.0') }),
      '{"a":1,"c":[null,true,"x",4611686018427387904],"d":1.0}',
    )
    assert.equal(stringify({ a: undefined, b: 1 }), '{"b":1}')
    assert.equal(stringify('é😀\u2028'), '"é😀\u2028"')
  })

  test('what is no JSON is a bug, not a null', () => {
    for (const value of [undefined, Number.NaN, Infinity, [undefined], () => 1, Symbol('x')]) {
      assert.throws(() => stringify(value), TypeError)
    }
  })
})
