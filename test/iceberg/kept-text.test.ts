import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { keptItems } from '../../src/iceberg/kept-text.ts'

describe('keptItems', () => {
  it('writes what stringify writes', () => {
    for (const text of ['[]', '[{}]', '[{"id":9007199254740993,"é\\n":[1.0,-0,{"__proto__":null}]},{"a":"\\u0000"}]']) {
      const items = parse(text) as readonly object[]
      const document = stringify({ before: 1, items: keptItems(items, stringify), behind: [2] })
      assert.equal(document, `{"before":1,"items":${text},"behind":[2]}`)
    }
  })
  it('writes an item once, and an equal one for itself', () => {
    const written: object[] = []
    const write = (item: object): string => {
      written.push(item)
      return stringify(item)
    }
    const [a, b, c] = [{ id: 1 }, { id: 2 }, { id: 2 }]
    assert.equal(keptItems([a, b], write).text, '[{"id":1},{"id":2}]')
    assert.equal(keptItems([b, c, b], write).text, '[{"id":2},{"id":2},{"id":2}]')
    assert.equal(written.length, 3)
    assert.ok(written[0] === a && written[1] === b && written[2] === c)
  })
  it('writes lists that grow at the end and shrink at the start, and others, right', () => {
    const item = (id: number): object => ({ id })
    const all = Array.from({ length: 12 }, (_, id) => item(id))
    const slices: [number, number][] = [
      [0, 3],
      [0, 4],
      [1, 5],
      [1, 5],
      [3, 6],
      [0, 6],
      [5, 6],
      [5, 12],
      [2, 3],
      [0, 12],
    ]
    for (const [from, to] of slices) {
      const items = all.slice(from, to)
      assert.equal(keptItems(items, stringify).text, JSON.stringify(items), `${from} to ${to}`)
    }
    const shuffled = [all[4]!, all[2]!, all[2]!, all[11]!]
    assert.equal(keptItems(shuffled, stringify).text, JSON.stringify(shuffled))
    assert.equal(keptItems([...shuffled, item(99)], stringify).text, JSON.stringify([...shuffled, item(99)]))
  })
})
