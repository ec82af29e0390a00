/**
 * Decoder of the Snappy block format (github.com/google/snappy, format_description.txt), for Avro files that were compressed
 * with it. Every length and offset is checked: the input may be hostile.
 */

function broken(): never {
  throw new RangeError('broken Snappy block')
}

function readLength(input: Uint8Array): { length: number; at: number } {
  let length = 0
  for (let at = 0; at < 5; at += 1) {
    const byte = input[at] ?? broken()
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return { length, at: at + 1 }
  }
  return broken()
}

const littleEndian = (input: Uint8Array, at: number, bytes: number): number => {
  let value = 0
  for (let i = 0; i < bytes; i += 1) value += (input[at + i] ?? broken()) * 2 ** (8 * i)
  return value
}

/** @throws RangeError for what is not a Snappy block, or one of more than `maxBytes` */
export function decompressSnappy(input: Uint8Array, maxBytes: number): Buffer {
  const head = readLength(input)
  if (head.length > maxBytes) broken()
  const output = Buffer.alloc(head.length)
  let [at, to] = [head.at, 0]
  while (at < input.length) {
    const tag = input[at] as number
    at += 1
    if ((tag & 3) === 0) {
      const extra = Math.max(0, (tag >> 2) - 59)
      const length = (extra === 0 ? tag >> 2 : littleEndian(input, at, extra)) + 1
      at += extra
      if (length > input.length - at || length > output.length - to) broken()
      output.set(input.subarray(at, at + length), to)
      at += length
      to += length
    } else {
      const size = [0, 1, 2, 4][tag & 3] as number
      const length = size === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      const offset = littleEndian(input, at, size) + (size === 1 ? (tag >> 5) * 256 : 0)
      at += size
      if (offset === 0 || offset > to || length > output.length - to) broken()
      // Source and target may overlap: a copy repeats what it has just written.
      for (let i = 0; i < length; i += 1) output[to + i] = output[to - offset + i] as number
      to += length
    }
  }
  if (to !== output.length) broken()
  return output
}
