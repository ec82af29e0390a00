/**
 * A document in the parts that it is put together from at the end, once: text, and bytes that are JSON already. A commit makes
 * a few items of a table's lists (schemas, snapshots, logs) and writes all of them, so what a list or an item is written as
 * is kept for as long as it lives: objects of metadata never change.
 */
import { quotedKey, stringify } from './json.ts'

type Piece = string | Uint8Array
export type JsonParts = readonly (Piece | KeptItems)[]

/** A list, and what it is written as: a piece of the newest document that has it, once there is one. */
export class KeptItems {
  readonly items: readonly object[]
  pieces: readonly Piece[]

  constructor(items: readonly object[], pieces: readonly Piece[]) {
    this.items = items
    this.pieces = pieces
  }
}

const sizeOf = (piece: Piece): number => (typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length)

/** The parts as UTF-8, in memory of their own: Node's pool would live for as long as the smallest piece of it is kept. `allocate` gives other memory. */
export function joinParts(parts: JsonParts, allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow): Buffer {
  let size = 0
  for (const part of parts) {
    if (part instanceof KeptItems) for (const piece of part.pieces) size += sizeOf(piece)
    else size += sizeOf(part)
  }
  const joined = allocate(size)
  let at = 0
  const add = (piece: Piece): void => {
    if (typeof piece === 'string') {
      at += joined.write(piece, at)
    } else {
      joined.set(piece, at)
      at += piece.length
    }
  }
  for (const part of parts) {
    if (part instanceof KeptItems) {
      const start = at
      for (const piece of part.pieces) add(piece)
      part.pieces = [joined.subarray(start, at)]
    } else {
      add(part)
    }
  }
  return joined
}

/** The parts of an object: what `stringify` writes, with the pieces of its kept lists. */
export function objectParts(object: Readonly<Record<string, unknown>>): JsonParts {
  const parts: (Piece | KeptItems)[] = []
  let text = '{'
  let separator = ''
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value === undefined) continue
    text += separator + quotedKey(key)
    separator = ','
    if (value instanceof KeptItems) {
      parts.push(text, value)
      text = ''
    } else {
      text += stringify(value)
    }
  }
  parts.push(`${text}}`)
  return parts
}

/** By a list's last item, which its successor has too, at the end or just before it. Only the newest list of a line is kept. */
const WRITTEN = new WeakMap<object, KeptItems>()
const KEPT = new WeakMap<object, string>()

export function keptItems(items: readonly object[]): KeptItems | readonly [] {
  const last = items.at(-1)
  if (last === undefined) return []
  const known = WRITTEN.get(last)
  if (known?.items === items) return known
  const lastBefore = items.at(-2)
  const before = lastBefore === undefined ? undefined : WRITTEN.get(lastBefore)
  const written = new KeptItems(items, grown(items, before) ?? [`[${items.map(textOf).join(',')}]`])
  if (lastBefore !== undefined) WRITTEN.delete(lastBefore)
  WRITTEN.set(last, written)
  return written
}

/** Most lists are one of before with an item more at the end, and perhaps some fewer at the start: its pieces are the most of theirs. */
function grown(items: readonly object[], before: KeptItems | undefined): readonly Piece[] | undefined {
  const [bytes] = before?.pieces ?? []
  if (before === undefined || !(bytes instanceof Uint8Array)) return undefined
  const dropped = before.items.length - (items.length - 1)
  if (dropped < 0) return undefined
  for (let at = 0; at < items.length - 1; at++) if (items[at] !== before.items[at + dropped]) return undefined
  let start = 1
  for (let at = 0; at < dropped; at++) start += Buffer.byteLength(textOf(before.items[at] as object)) + 1
  return ['[', bytes.subarray(start, -1), `,${textOf(items.at(-1) as object)}]`]
}

function textOf(item: object): string {
  let text = KEPT.get(item)
  if (text === undefined) KEPT.set(item, (text = inOnePiece(stringify(item))))
  return text
}

/** The same text. V8 keeps one that was put together as a tree of its pieces, until an expression is matched against it. */
function inOnePiece(text: string): string {
  NUL.test(text)
  return text
}

// eslint-disable-next-line no-control-regex
const NUL = /\u0000/
