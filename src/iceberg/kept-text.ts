/**
 * Text that is JSON already. A commit makes a few items of a table's lists (schemas, snapshots, logs) and writes all of
 * them, so what an item is written as is kept for as long as it lives: objects of metadata never change.
 */

/** Written by `stringify` as it is. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

interface Written {
  readonly items: readonly object[]
  readonly json: JsonText
}

/** By a list's last item, which its successor has too, at the end or just before it. Only the newest list of a line is kept. */
const WRITTEN = new WeakMap<object, Written>()
const KEPT = new WeakMap<object, string>()
const EMPTY = new JsonText('[]')

/** The array as text; `write` makes that of an item. */
export function keptItems(items: readonly object[], write: (item: object) => string): JsonText {
  const last = items.at(-1)
  if (last === undefined) return EMPTY
  const known = WRITTEN.get(last)
  if (known?.items === items) return known.json
  const lastBefore = items.at(-2)
  const before = lastBefore === undefined ? undefined : WRITTEN.get(lastBefore)
  const text = grown(items, before, write) ?? `[${items.map((item) => textOf(item, write)).join(',')}]`
  const json = new JsonText(inOnePiece(text))
  if (lastBefore !== undefined) WRITTEN.delete(lastBefore)
  WRITTEN.set(last, { items, json })
  return json
}

/** Most lists are one of before with an item more at the end, and perhaps some fewer at the start: its text is the most of theirs. */
function grown(items: readonly object[], before: Written | undefined, write: (item: object) => string): string | undefined {
  if (before === undefined) return undefined
  const dropped = before.items.length - (items.length - 1)
  if (dropped < 0) return undefined
  for (let at = 0; at < items.length - 1; at++) if (items[at] !== before.items[at + dropped]) return undefined
  let start = 1
  for (let at = 0; at < dropped; at++) start += textOf(before.items[at] as object, write).length + 1
  return `[${before.json.text.slice(start, -1)},${textOf(items.at(-1) as object, write)}]`
}

function textOf(item: object, write: (item: object) => string): string {
  let text = KEPT.get(item)
  if (text === undefined) KEPT.set(item, (text = inOnePiece(write(item))))
  return text
}

/** The same text. V8 keeps one that was put together as a tree of its pieces, until an expression is matched against it. */
function inOnePiece(text: string): string {
  NUL.test(text)
  return text
}

// eslint-disable-next-line no-control-regex
const NUL = /\u0000/
