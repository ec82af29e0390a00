/** Avro object container files for tests: records encoded by the `avsc` library, in blocks that this module compresses. */
import avro from 'avsc'
import { crc32, deflateRawSync, zstdCompressSync } from 'node:zlib'

export type Codec = 'null' | 'deflate' | 'zstandard' | 'snappy'

export function encodeLong(value: number | bigint): Buffer {
  const wide = BigInt(value)
  let zigzag = BigInt.asUintN(64, wide >= 0n ? wide << 1n : ~(wide << 1n))
  const bytes = []
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(zigzag)])
}

/** The Snappy format without any compression: one literal. */
export function literalSnappy(data: Buffer): Buffer {
  const length = []
  let rest = data.length
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) length.push((rest & 0x7f) | 0x80)
  length.push(rest)
  if (data.length === 0) return Buffer.from(length)
  const last = data.length - 1
  const tag =
    last < 60
      ? [last << 2]
      : last < 256
        ? [60 << 2, last]
        : last < 65_536
          ? [61 << 2, last & 255, last >> 8]
          : [62 << 2, last & 255, (last >> 8) & 255, last >> 16]
  return Buffer.concat([Buffer.from([...length, ...tag]), data])
}

function compress(codec: Codec, data: Buffer): Buffer {
  if (codec === 'deflate') return deflateRawSync(data)
  if (codec === 'zstandard') return zstdCompressSync(data)
  if (codec === 'null') return data
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(data))
  return Buffer.concat([literalSnappy(data), sum])
}

const string = (value: string | Buffer): Buffer => Buffer.concat([encodeLong(Buffer.byteLength(value)), Buffer.from(value)])

export function avroFile(schema: object, records: readonly object[], { codec = 'null' as Codec, perBlock = 1000 } = {}): Buffer {
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true })
  const sync = Buffer.from('0123456789abcdef')
  const parts = [
    Buffer.from('Obj\u0001'),
    encodeLong(2),
    string('avro.schema'),
    string(JSON.stringify(schema)),
    string('avro.codec'),
    string(codec),
    encodeLong(0),
    sync,
  ]
  for (let at = 0; at < records.length; at += perBlock) {
    const some = records.slice(at, at + perBlock)
    const data = compress(codec, Buffer.concat(some.map((record) => type.toBuffer(record))))
    parts.push(encodeLong(some.length), encodeLong(data.length), data, sync)
  }
  return Buffer.concat(parts)
}
