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

const KEPT = new WeakMap<object, string>()

/** The array as text; `write` makes that of an item. */
export function keptItems(items: readonly object[], write: (item: object) => string): JsonText {
  const texts: string[] = []
  for (const item of items) {
    let text = KEPT.get(item)
    if (text === undefined) KEPT.set(item, (text = inOnePiece(write(item))))
    texts.push(text)
  }
  return new JsonText(`[${texts.join(',')}]`)
}

/** The same text. V8 keeps one that was put together as a tree of its pieces, until an expression is matched against it. */
function inOnePiece(text: string): string {
  NUL.test(text)
  return text
}

// eslint-disable-next-line no-control-regex
const NUL = /\u0000/
