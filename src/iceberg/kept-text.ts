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
  readonly texts: readonly string[]
  readonly json: JsonText
}

/** By a list's last item, which its successor has too, at the end or just before it. Only the newest list of a line is kept. */
const WRITTEN = new WeakMap<object, Written>()
const KEPT = new WeakMap<object, string>()

/** The array as text; `write` makes that of an item. */
export function keptItems(items: readonly object[], write: (item: object) => string): JsonText {
  const last = items.at(-1)
  if (last === undefined) return EMPTY
  const known = WRITTEN.get(last)
  if (known?.items === items) return known.json
  const lastBefore = items.at(-2)
  const before = known ?? (lastBefore === undefined ? undefined : WRITTEN.get(lastBefore))
  const texts = textsOf(items, write, before)
  const json = new JsonText(`[${texts.join(',')}]`)
  if (lastBefore !== undefined) WRITTEN.delete(lastBefore)
  WRITTEN.set(last, { items, texts, json })
  return json
}

const EMPTY = new JsonText('[]')

/** Most lists are a list of before with one item more at the end, and perhaps some fewer at the start: those need no search. */
function textsOf(items: readonly object[], write: (item: object) => string, before: Written | undefined): string[] {
  const texts: string[] = []
  const shift = before === undefined ? -1 : before.items.indexOf(items[0] as object)
  for (let at = 0; at < items.length; at++) {
    const item = items[at] as object
    const same = shift >= 0 && before?.items[at + shift] === item
    texts.push((same ? before?.texts[at + shift] : undefined) ?? textOf(item, write))
  }
  return texts
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
