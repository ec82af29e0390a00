import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { joinParts, keptItems, objectParts } from '../../src/iceberg/json-parts.ts'

const written = (items: readonly object[]): string =>
  joinParts(objectParts({ before: 1, items: keptItems(items), behind: [2] })).toString()
const plain = (items: readonly object[]): string => stringify({ before: 1, items, behind: [2] })

describe('objectParts', () => {
  it('writes what stringify writes', () => {
    for (const text of ['{}', '{"a":1}', '{"a":"é\\n\\u0000😀","__proto__":{"b":[1.0,-0,9007199254740993]}}']) {
      const object = parse(text) as Record<string, unknown>
      assert.equal(joinParts(objectParts(object)).toString(), text)
      assert.equal(joinParts(objectParts({ ...object, left: undefined })).toString(), stringify(object))
    }
  })
})

describe('keptItems', () => {
  it('writes what stringify writes', () => {
    for (const text of ['[]', '[{}]', '[{"id":9007199254740993,"é\\n":[1.0,-0,{"__proto__":null}]},{"a":"\\u0000😀"}]']) {
      const items = parse(text) as readonly object[]
      for (let time = 0; time < 2; time++) assert.equal(written(items), `{"before":1,"items":${text},"behind":[2]}`)
    }
  })
  it('writes lists that grow at the end and shrink at the start, and others, right', () => {
    const item = (id: number): object => ({ id, é: 'ü'.repeat(id) })
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
      assert.equal(written(items), plain(items), `${from} to ${to}`)
    }
    const shuffled = [all[4]!, all[2]!, all[2]!, all[11]!]
    assert.equal(written(shuffled), plain(shuffled))
    const more = [...shuffled, item(99)]
    assert.equal(written(more), plain(more))
  })
  it('writes a list right whose predecessor was never written', () => {
    const [a, b, c] = [{ id: 1 }, { id: 2 }, { id: 3 }]
    keptItems([a])
    keptItems([a, b])
    assert.equal(written([a, b, c]), plain([a, b, c]))
    keptItems([b, c])
    assert.equal(written([b, c, { id: 4 }]), '{"before":1,"items":[{"id":2},{"id":3},{"id":4}],"behind":[2]}')
  })
  it('takes over the bytes of the list before', () => {
    const [a, b] = [{ id: 1 }, { id: 2 }]
    written([a])
    // Objects of metadata never change; this one does, to show that it is not written again.
    a.id = 9
    assert.equal(written([a, b]), plain([{ id: 1 }, { id: 2 }]))
  })
})
