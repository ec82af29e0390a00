/** Places that several processes want at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateTable } from '../../src/catalog/update-table.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { createView } from '../../src/catalog/views.ts'
import { VIEW_VERSION, bodyOf, ident, newTable, open, rejects, schema } from './setup.ts'
import type { Fixture } from './setup.ts'

const ROUNDS = 5

/** Of `count` attempts, made in turn by two processes at the same time, one takes effect and the others are 400. */
async function oneWins(one: Fixture, count: number, attempt: (fixture: Fixture, n: number) => Promise<unknown>): Promise<void> {
  const two = one.another()
  const results = await Promise.allSettled(Array.from({ length: count }, (_, n) => attempt(n % 2 ? one : two, n)))
  for (const result of results) if (result.status === 'rejected') rejects(400, /overlaps/)(result.reason)
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
}

/** The same place, one inside it, one around it. */
const place = ({ folder }: Fixture, n: number): string => `file://${folder}/extra/a${['', '/b', '/b/c'][n % 3]}`

test('of creations of two processes at overlapping places exactly one wins', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    await oneWins(await open(t), 8, (fixture, n) =>
      createTable(fixture.context, fixture.call, ['ns'], { name: `t${n}`, schema, location: place(fixture, n) }),
    )
  }
})

test('of tables that two processes stage, commit and move, exactly one gets the place', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const fixture = await open(t)
    const moved = await newTable(fixture, 'moved')
    assert.ok(moved.metadata.location)
    await oneWins(fixture, 8, ({ context, call, folder }, n) => {
      const location = place({ folder } as Fixture, n)
      if (n === 7)
        return updateTable(context, call, ident('moved'), { requirements: [], updates: [{ action: 'set-location', location }] })
      const updates = [
        { action: 'add-schema', schema },
        { action: 'set-current-schema', 'schema-id': -1 },
        { action: 'add-spec', spec: { fields: [] } },
        { action: 'set-default-spec', 'spec-id': -1 },
        { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
        { action: 'set-default-sort-order', 'sort-order-id': -1 },
        { action: 'set-location', location },
      ]
      return updateTable(context, call, ident(`t${n}`), { requirements: [{ type: 'assert-create' }], updates })
    })
  }
})

test('of tables and views that two processes create and register exactly one gets the place', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const fixture = await open(t)
    const location = `file://${fixture.folder}/extra/a`
    const { metadata } = await newTable(fixture, 'model')
    const file = `${location}/metadata/0.metadata.json`
    await fixture.call.catalog.storage.create(file, Buffer.from(JSON.stringify({ ...metadata, location })))
    await oneWins(fixture, 6, ({ context, call }, n) =>
      n % 3 === 0
        ? registerTable(context, call, ['ns'], { name: `r${n}`, 'metadata-location': file })
        : n % 3 === 1
          ? createView(context, call, ['ns'], { name: `v${n}`, schema, 'view-version': VIEW_VERSION, location: `${location}/v` })
          : createTable(context, call, ['ns'], { name: `t${n}`, schema, location }),
    )
  }
})

test('creations at places of their own do not get in the way of each other', async (t) => {
  const one = await open(t)
  const two = one.another()
  let conflicts = 0
  for (const fixture of [one, two]) {
    fixture.hooks.write = (mutations, next) =>
      next(mutations).catch((error: unknown) => {
        conflicts += 1
        throw error
      })
  }
  await Promise.all(Array.from({ length: 20 }, (_, n) => newTable(n % 2 ? one : two, `t${n}`)))
  assert.equal(conflicts, 0)
  for (let n = 0; n < 20; n++) assert.ok(bodyOf(await loadTable(one.context, one.call, ident(`t${n}`))))
})
