/** Lists in pages, and the tokens that lead from one to the next. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listTables } from '../../src/catalog/tables.ts'
import { createView } from '../../src/catalog/views.ts'
import { newTable, newView, open } from './setup.ts'

test('listing pages of tables and views, each without the other', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  for (const name of ['a', 'c', 'e']) await newTable(fixture, name)
  for (const name of ['b', 'd']) await createView(context, call, ['ns'], { name, ...newView })
  const first = await listTables(context, call, ['ns'], { pageToken: '', pageSize: 2 })
  assert.deepEqual(
    first.identifiers.map(({ name }) => name),
    ['a', 'c'],
  )
  const next = await listTables(context, call, ['ns'], { pageToken: first['next-page-token'] as string, pageSize: 2 })
  assert.deepEqual(next, { identifiers: [{ namespace: ['ns'], name: 'e' }], 'next-page-token': null })
})

test('a token is good however many others were asked for meanwhile', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  for (let n = 0; n < 300; n++) await newTable(fixture, `t${String(n).padStart(3, '0')}`)
  const page = async (pageToken: string) => listTables(context, call, ['ns'], { pageToken, pageSize: 1 })
  const tokens: string[] = []
  for (let token: string | null = ''; token !== null;) {
    tokens.push(token)
    token = (await page(token))['next-page-token']
  }
  assert.equal(tokens.length, 300)
  for (const n of [1, 299, 2]) assert.equal((await page(tokens[n]!)).identifiers[0]?.name, `t${String(n).padStart(3, '0')}`)
})
