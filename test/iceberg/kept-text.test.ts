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
})
