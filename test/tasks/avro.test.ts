/** Our reader against files written by an independent implementation, and against files that mean harm. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, zstdCompressSync, deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { AvroError, avroStrings } from '../../src/tasks/avro.ts'
import { decompressSnappy } from '../../src/tasks/snappy.ts'
import { avroFile, encodeLong, literalSnappy } from './avro-files.ts'

const limits = { maxBlockBytes: 1_000_000, maxTotalBytes: 2_000_000 }
const all = (file: Buffer, path: readonly string[] = ['p'], bounds = limits): string[] =>
  [...avroStrings(file, path, bounds)].flat()

const schema = {
  type: 'record',
  name: 'entry',
  namespace: 'x.y',
  fields: [
    { name: 'status', type: 'int' },
    { name: 'id', type: ['null', 'long'] },
    {
      name: 'file',
      type: {
        type: 'record',
        name: 'r2',
        fields: [
          {
            name: 'sizes',
            type: [
              'null',
              {
                type: 'array',
                items: {
                  type: 'record',
                  name: 'kv',
                  fields: [
                    { name: 'key', type: 'int' },
                    { name: 'value', type: 'long' },
                  ],
                },
              },
            ],
          },
          { name: 'bounds', type: { type: 'map', values: 'bytes' } },
          { name: 'nothing', type: { type: 'array', items: 'null' } },
          { name: 'again', type: { type: 'array', items: 'kv' } },
          { name: 'path', type: 'string' },
          { name: 'hash', type: { type: 'fixed', name: 'h', size: 4 } },
          { name: 'kind', type: { type: 'enum', name: 'e', symbols: ['A', 'B'] } },
          { name: 'part', type: { type: 'record', name: 'r102', fields: [] } },
          { name: 'd', type: 'double' },
          { name: 'f', type: 'float' },
          { name: 'b', type: 'boolean' },
        ],
      },
    },
    { name: 'path', type: 'string' },
  ],
}
const record = (i: number): object => ({
  status: i % 3,
  id: i % 2 ? { long: i * 1e9 } : null,
  file: {
    sizes:
      i % 2
        ? {
            array: [
              { key: 1, value: -5 },
              { key: 2, value: 2 ** 40 },
            ],
          }
        : null,
    bounds: { a: Buffer.from('xyz'), '': Buffer.alloc(0) },
    nothing: [null, null, null],
    again: [{ key: i, value: i }],
    path: `s3://bucket/f-${i}-\u00e9`,
    hash: Buffer.from('abcd'),
    kind: 'B',
    part: {},
    d: 1.5,
    f: 2.5,
    b: true,
  },
  path: 'not this one',
})

describe('avroStrings', () => {
  const records = Array.from({ length: 2500 }, (_, i) => record(i))
  const paths = records.map((_, i) => `s3://bucket/f-${i}-\u00e9`)
  for (const codec of ['null', 'deflate', 'zstandard', 'snappy'] as const) {
    it(`reads files of codec ${codec}, of one block and of many`, () => {
      for (const perBlock of [2500, 100]) {
        assert.deepEqual(
          all(avroFile(schema, records, { codec, perBlock }), ['file', 'path'], { maxBlockBytes: 1e6, maxTotalBytes: 2e6 }),
          paths,
        )
      }
    })
  }
  it('yields some at a time', () => {
    const sizes = [...avroStrings(avroFile(schema, records, { codec: 'null', perBlock: 2500 }), ['file', 'path'], limits)].map(
      ({ length }) => length,
    )
    assert.deepEqual(sizes, [1000, 1000, 500])
  })
  it('reads a file without records, and strings that may be null', () => {
    const optional = { type: 'record', name: 'e', fields: [{ name: 'p', type: ['null', 'string'] }] }
    assert.deepEqual(all(avroFile(optional, [{ p: { string: 'a' } }, { p: null }, { p: { string: 'b' } }])), ['a', 'b'])
    assert.deepEqual(all(avroFile(optional, [])), [])
  })

  const simple = { type: 'record', name: 'e', fields: [{ name: 'p', type: 'string' }] }
  const good = avroFile(simple, [{ p: 'abc' }, { p: 'def' }], { codec: 'deflate' })
  const refused = (file: Buffer, message?: RegExp, path = ['p']): void => {
    assert.throws(
      () => all(file, path),
      (error: unknown) => error instanceof AvroError && (message?.test(error.message) ?? true),
    )
  }

  it('refuses a file that is cut off anywhere, and survives any changed byte', () => {
    for (let length = 0; length < good.length; length += 1) {
      let found
      try {
        found = all(good.subarray(0, length))
      } catch (error) {
        assert.ok(error instanceof AvroError, String(error))
      }
      // Cut exactly behind the header there is a file without blocks.
      if (found) assert.deepEqual(found, [])
    }
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(good)
        changed[at] = byte
        try {
          all(changed)
        } catch (error) {
          assert.ok(error instanceof AvroError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })

  const raw = (
    schemaJson: unknown,
    blocks: { count: number | bigint; data: Buffer; size?: number | bigint }[],
    codec = 'null',
  ): Buffer => {
    const text = Buffer.from(typeof schemaJson === 'string' ? schemaJson : JSON.stringify(schemaJson))
    const string = (value: Buffer): Buffer => Buffer.concat([encodeLong(value.length), value])
    const sync = Buffer.alloc(16, 7)
    return Buffer.concat([
      Buffer.from('Obj\u0001'),
      encodeLong(2),
      string(Buffer.from('avro.schema')),
      string(text),
      string(Buffer.from('avro.codec')),
      string(Buffer.from(codec)),
      encodeLong(0),
      sync,
      ...blocks.flatMap(({ count, data, size }) => [encodeLong(count), encodeLong(size ?? data.length), data, sync]),
    ])
  }
  const one = Buffer.concat([encodeLong(1), Buffer.from('x')])

  it('refuses counts and lengths that the bytes can not hold', () => {
    assert.deepEqual(all(raw(simple, [{ count: 1, data: one }])), ['x'])
    refused(raw(simple, [{ count: 2n ** 62n, data: one }]), /fewer bytes than records/)
    refused(raw(simple, [{ count: -1, data: one }]))
    refused(raw(simple, [{ count: 1, data: one, size: 2n ** 62n }]))
    refused(raw(simple, [{ count: 1, data: one, size: -1 }]))
    refused(raw(simple, [{ count: 1, data: encodeLong(2n ** 62n) }]))
    refused(raw(simple, [{ count: 1, data: encodeLong(-3) }]))
    refused(raw(simple, [{ count: 1, data: Buffer.concat([one, one]) }]), /behind its last record/)
    refused(raw(simple, [{ count: 1, data: Buffer.alloc(12, 0xff) }]), /too many bytes/)
  })

  it('refuses bombs of every codec', () => {
    const zeros = Buffer.alloc(50_000_000)
    refused(raw(simple, [{ count: 1, data: deflateRawSync(zeros) }], 'deflate'), /broken, or has more than/)
    refused(raw(simple, [{ count: 1, data: zstdCompressSync(zeros) }], 'zstandard'), /broken, or has more than/)
    refused(
      raw(simple, [{ count: 1, data: Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]) }], 'snappy'),
      /broken, or has more than/,
    )
    const block = Buffer.concat([encodeLong(900_000), Buffer.alloc(900_000)])
    refused(
      raw(
        simple,
        [1, 2, 3].map(() => ({ count: 1, data: block })),
      ),
      /too many bytes/,
    )
    refused(raw(simple, [{ count: 1, data: one }], 'bzip2'), /codec bzip2 is not supported/)
  })

  it('spends no time on values without bytes', () => {
    const nulls = {
      type: 'record',
      name: 'e',
      fields: [
        { name: 'a', type: { type: 'array', items: 'null' } },
        { name: 'p', type: 'string' },
      ],
    }
    assert.deepEqual(all(raw(nulls, [{ count: 1, data: Buffer.concat([encodeLong(2n ** 61n), encodeLong(0), one]) }])), ['x'])
    // Each type twice the one before: 2^40 fields without a byte.
    let type: unknown = { type: 'record', name: 'r0', fields: [{ name: 'n', type: 'null' }] }
    for (let i = 1; i <= 40; i += 1)
      type = {
        type: 'record',
        name: `r${i}`,
        fields: [
          { name: 'a', type },
          { name: 'b', type: `r${i - 1}` },
        ],
      }
    refused(
      raw(
        {
          type: 'record',
          name: 'top',
          fields: [
            { name: 'x', type },
            { name: 'p', type: 'string' },
          ],
        },
        [{ count: 1, data: one }],
      ),
      /more fields than/,
    )
  })

  it('refuses schemas that are none, or nest without end', () => {
    refused(raw('{', []), /not JSON/)
    for (const bad of [
      '[]',
      '{}',
      '"unknown"',
      '{"type":"record","name":"e"}',
      '{"type":"fixed","name":"f","size":-1}',
      '{"type":"record","name":"e","fields":[1]}',
      '"toString"',
      '"__proto__"',
    ]) {
      refused(raw(bad, []))
    }
    refused(raw(simple, []), /no string at q/, ['q'])
    refused(raw(simple, []), /no string at p.q/, ['p', 'q'])
    refused(raw({ type: 'record', name: 'e', fields: [{ name: 'p', type: 'int' }] }, []), /no string at p/)
    refused(raw(`${'{"type":'.repeat(300)}"int"${'}'.repeat(300)}`, []))
    const endless = {
      type: 'record',
      name: 'e',
      fields: [
        { name: 'n', type: ['null', 'e'] },
        { name: 'p', type: 'string' },
      ],
    }
    refused(raw(endless, [{ count: 1, data: Buffer.alloc(10_000, 2) }]), /nested deeper/)
    const self = {
      type: 'record',
      name: 'e',
      fields: [
        { name: 'n', type: 'e' },
        { name: 'p', type: 'string' },
      ],
    }
    refused(raw(self, [{ count: 1, data: one }]), /nested deeper/)
  })
})

describe('decompressSnappy', () => {
  it('copies literals of every length', () => {
    for (const length of [0, 1, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 65_537, 200_000]) {
      const data = Buffer.alloc(length, 'abcdefg')
      assert.deepEqual(decompressSnappy(literalSnappy(data), 1e6), data)
    }
  })
  it('repeats what it wrote, overlapping too, with offsets of every size', () => {
    const one = Buffer.from([10, 0, 'a'.charCodeAt(0), ((9 - 4) << 2) | 1, 1])
    assert.equal(String(decompressSnappy(one, 100)), 'a'.repeat(10))
    const two = Buffer.from([8, (3 - 1) << 2, ...Buffer.from('abc'), ((5 - 1) << 2) | 2, 3, 0])
    assert.equal(String(decompressSnappy(two, 100)), 'abcabcab')
    const four = Buffer.from([8, (3 - 1) << 2, ...Buffer.from('abc'), ((5 - 1) << 2) | 3, 3, 0, 0, 0])
    assert.equal(String(decompressSnappy(four, 100)), 'abcabcab')
  })
  it('refuses what leads out of the input or the output', () => {
    for (const bytes of [
      [],
      [0x80],
      [5],
      [5, 0, 97],
      [1, 4, 97, 97],
      [5, 0, 97, 5, 0],
      [5, 0, 97, 5, 2],
      [5, 0, 97, 0xfc, 1],
      [2, 0xff],
      [200, 1, 0, 97],
      [1, 0, 97, 0, 97],
    ]) {
      assert.throws(() => decompressSnappy(Buffer.from(bytes), 100), RangeError, String(bytes))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          assert.ok(decompressSnappy(bytes, 1000).length <= 1000)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
  it('is checked by its sum in Avro', () => {
    const data = Buffer.concat([encodeLong(1), Buffer.from('x')])
    assert.notEqual(crc32(data), 0)
    const file = avroFile({ type: 'record', name: 'e', fields: [{ name: 'p', type: 'string' }] }, [{ p: 'x' }], {
      codec: 'snappy',
    })
    file[file.length - 17] = (file[file.length - 17] as number) ^ 1
    assert.throws(() => all(file), AvroError)
  })
})
