/** Copies between all pairs of engines: whole, equal, resumable from any point, and refused where they would do harm. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { copyStore } from '../../src/operations/copy.ts'
import { fill, OperationError, unfinishedFilling } from '../../src/operations/fill.ts'
import { allRows, digestStore } from '../../src/operations/rows.ts'
import type { Store } from '../../src/stores/store.ts'
import { backends, type Backend } from '../stores/backends.ts'
import { insert, remove, replace, tenant, user } from '../stores/suite/rows.ts'
import { faultyStore } from '../stores/faulty.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { lakeRows, writeLake } from './rows.ts'

const now = (): number => 1_700_000_000_000
const options = { identity: 'memory:source', now }

async function opened(t: TestContext, backend: Backend): Promise<Store> {
  const { store, dispose } = await backend.open()
  t.after(dispose)
  return store
}

const linesOf = async (store: Store): Promise<string[]> => {
  const lines: string[] = []
  for await (const { entity, line } of allRows(store)) lines.push(`${entity} ${line}`)
  return lines
}

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperationError, String(error))
  assert.match(error.message, message)
  return true
}

const engines = backends.filter(({ name }) => !name.includes('wrapped'))
for (const from of engines) {
  for (const to of engines) {
    describe(`copy: ${from.name} to ${to.name}`, { skip: from.skip ?? to.skip ?? false }, () => {
      it('moves every row, and leaves nothing else behind', async (t) => {
        const [source, target] = [await opened(t, from), await opened(t, to)]
        await writeLake(source, 300)
        const report = await copyStore({ from: source, to: target, ...options })
        const lines = await linesOf(source)
        assert.deepEqual(await linesOf(target), lines)
        assert.deepEqual([report.inserted, report.removed, report.resumed], [lines.length, 0, false])
        assert.equal(report.digests['entries']?.rows, 303)
        assert.deepEqual(report.digests, await digestStore(target))
        assert.equal(await target.get('tasks', { id: 'store-filling' }), undefined)
      })
    })
  }
}

describe('a copy that is cut off', () => {
  it('goes on from wherever that was, and meanwhile is no store for anybody', async () => {
    const source = openMemoryStore()
    await writeLake(source, 900)
    const lines = await linesOf(source)
    // The first write claims the target, the last gives it free; every one between may be the last of a run.
    for (const mode of ['before', 'after'] as const) {
      for (let cut = 1; ; cut++) {
        const target = openMemoryStore()
        const breaking = faultyStore(target)
        breaking.inject({ method: 'write', mode, skip: cut })
        const broken = await copyStore({ from: source, to: breaking, ...options }).then(
          () => false,
          () => true,
        )
        const isDone = (await unfinishedFilling(target)) === undefined
        if (!broken) break
        if (isDone) {
          // The very last write landed, and only its answer was lost.
          assert.equal(mode, 'after')
          assert.deepEqual(await linesOf(target), lines)
          continue
        }
        await assert.rejects(
          copyStore({ from: target, to: openMemoryStore(), ...options }),
          refused(/unfinished copy of memory:source/),
        )
        await assert.rejects(
          copyStore({ from: source, to: target, ...options, identity: 'other' }),
          refused(/unfinished copy of memory:source, not of other/),
        )
        const report = await copyStore({ from: source, to: target, ...options })
        assert.ok(report.resumed)
        assert.ok(cut === 1 || report.inserted < lines.length, 'what was there is not written again')
        assert.deepEqual(await linesOf(target), lines)
      }
    }
  })

  it('takes over what the source changed meanwhile, unique names that changed hands included', async () => {
    const [source, target] = [openMemoryStore(), openMemoryStore()]
    await writeLake(source)
    const of = (id: string, username = id) => user({ id, username, tenant_id: 't1' })
    const rows = [of('a', 'ada'), of('b', 'bob'), of('c'), of('d')]
    const [a, b] = await source.write(rows.map((row) => insert('users', row)))
    const breaking = faultyStore(target)
    // The last write is the one that ends the copy.
    breaking.inject({ method: 'write', mode: 'before', when: (steps) => JSON.stringify(steps).includes('"op":"remove"') })
    await assert.rejects(copyStore({ from: source, to: breaking, ...options }))
    const [freed] = await source.write([replace('users', { ...rows[0]!, username: 'free' }, a!)])
    await source.write([replace('users', { ...rows[1]!, username: 'ada' }, b!)])
    await source.write([
      replace('users', { ...rows[0]!, username: 'bob' }, freed!),
      remove('users', { id: 'c' }, 'any'),
      insert('users', of('e')),
    ])
    const report = await copyStore({ from: source, to: target, ...options })
    assert.deepEqual([report.resumed, report.removed, report.inserted], [true, 3, 3])
    assert.deepEqual(await linesOf(target), await linesOf(source))
  })
})

describe('a copy is refused', () => {
  it('into a store that is not empty', async () => {
    const [source, target] = [openMemoryStore(), openMemoryStore()]
    await target.write([insert('tenants', tenant())])
    await assert.rejects(copyStore({ from: source, to: target, ...options }), refused(/not empty \(it has tenants\)/))
    assert.equal(await unfinishedFilling(target), undefined)
  })

  it('when the source changes under it, and says what; it goes on afterwards', async () => {
    const [source, target] = [openMemoryStore(), openMemoryStore()]
    await writeLake(source)
    let written = false
    const progress = (step: string, entity: string): void => {
      if (step !== 'copy' || entity !== 'tasks' || written) return
      written = true
      void source.write(lakeRows('t3', 1))
    }
    await assert.rejects(copyStore({ from: source, to: target, ...options, progress }), refused(/tenants: 2 rows, then 3/))
    assert.ok((await unfinishedFilling(target)) !== undefined)
    await copyStore({ from: source, to: target, ...options })
    assert.deepEqual(await linesOf(target), await linesOf(source))
  })

  it('when somebody else writes to the target', async () => {
    const [source, target] = [openMemoryStore(), openMemoryStore()]
    await writeLake(source)
    await assert.rejects(
      fill({ source: { identity: 'x', rows: () => allRows(source) }, target: writesOnVerify(target), now }),
      refused(/does not hold what was written \(tenants: 2 rows, then 3\)/),
    )
  })
})

/** A store into which a stranger writes as soon as it is read from its beginning for the second time. */
function writesOnVerify(target: Store): Store {
  let beginnings = 0
  return {
    ...target,
    list: async (entity, listing) => {
      if (entity === 'tenants' && listing.after === undefined && listing.limit > 1 && ++beginnings === 2) {
        await target.write([insert('tenants', tenant({ id: 'stranger' }))])
      }
      return target.list(entity, listing)
    },
  }
}
