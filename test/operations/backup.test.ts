/** Backups: whole and of one moment while others write, private, and not trusted when they are read. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { backupStore, restoreStore } from '../../src/operations/backup.ts'
import { OperationError, unfinishedFilling } from '../../src/operations/fill.ts'
import { allRows } from '../../src/operations/rows.ts'
import { entities } from '../../src/stores/entities.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { Store } from '../../src/stores/store.ts'
import { backends } from '../stores/backends.ts'
import { faultyStore } from '../stores/faulty.ts'
import { insert, metricsReport, replace, tenant } from '../stores/suite/rows.ts'
import { lakeRows, writeLake } from './rows.ts'

const now = (): number => 1_700_000_000_000

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-backup-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
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

for (const backend of backends) {
  describe(`backup and restore: ${backend.name}`, { skip: backend.skip ?? false }, () => {
    it('carry every row to an empty store of any engine', async (t) => {
      const { store, dispose } = await backend.open()
      t.after(dispose)
      await writeLake(store, 250)
      await store.write([insert('metrics', metricsReport({ report: 'x'.repeat(2_000_000) }))])
      const file = join(folder(t), 'backup')
      const report = await backupStore({ store, file, now })
      assert.equal(report.consistency, store.snapshot === undefined ? 'verified' : 'snapshot')
      if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
      const memory = openMemoryStore()
      await restoreStore({ file, store: memory, now })
      const lines = await linesOf(store)
      assert.deepEqual(await linesOf(memory), lines)
      const { store: other, dispose: disposeOther } = await backend.open()
      t.after(disposeOther)
      const restored = await restoreStore({ file, store: other, now })
      assert.deepEqual(await linesOf(other), lines)
      assert.deepEqual(restored.digests, report.digests)
      assert.deepEqual(readdirSync(join(file, '..')), ['backup'], 'nothing else is left in the folder')
    })

    it('are of one moment while somebody writes', async (t) => {
      const { store, dispose } = await backend.open()
      t.after(dispose)
      await writeLake(store, 50)
      // Each batch adds a tenant and a report, which stand far from each other in the file.
      const writer = { stopped: false }
      const writing = (async () => {
        for (let n = 0; !writer.stopped; n++) {
          const id = `w${String(n).padStart(6, '0')}`
          await store.write([insert('tenants', tenant({ id })), insert('metrics', metricsReport({ tenant_id: id }))])
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      const file = join(folder(t), 'backup')
      const outcome = await backupStore({ store, file, now }).catch((error: unknown) => error)
      writer.stopped = true
      await writing
      // Without snapshots a backup may also have been quicker than the writer.
      if (store.snapshot === undefined && outcome instanceof Error) {
        refused(/changed each of 3 times/)(outcome)
        assert.deepEqual(readdirSync(join(file, '..')), [], 'no file that is of no use')
        return
      }
      assert.ok(!(outcome instanceof Error), String(outcome))
      const memory = openMemoryStore()
      await restoreStore({ file, store: memory, now })
      const tenants = await memory.list('tenants', { index: 'primary', where: {}, limit: 100_000 })
      const reports = await memory.list('metrics', { index: 'primary', where: {}, limit: 100_000 })
      const written = (ids: string[]): string[] => ids.filter((id) => id.startsWith('w')).sort()
      assert.deepEqual(written(tenants.map(({ id }) => id)), written(reports.map(({ tenant_id }) => tenant_id)))
    })
  })
}

describe('a backup', () => {
  it('begins again when something was written meanwhile, and then is whole', async (t) => {
    const store = openMemoryStore()
    await writeLake(store)
    let begun = 0
    const progress = (step: string, _entity: string, rows: number): void => {
      if (step !== 'back up' || rows !== 10 || ++begun > 1) return
      void store
        .get('tenants', { id: 't1' })
        .then((row) => store.write([replace('tenants', { ...row!, name: 'renamed' }, row!.version)]))
    }
    const file = join(folder(t), 'backup')
    assert.equal((await backupStore({ store, file, now, progress })).consistency, 'verified')
    assert.equal(begun, 2)
    const memory = openMemoryStore()
    await restoreStore({ file, store: memory, now })
    assert.equal((await memory.get('tenants', { id: 't1' }))?.name, 'renamed')
  })

  it('overwrites nothing', async (t) => {
    const file = join(folder(t), 'backup')
    writeFileSync(file, 'precious')
    await assert.rejects(backupStore({ store: openMemoryStore(), file, now }), refused(/there already/))
    assert.equal(readFileSync(file, 'utf8'), 'precious')
  })
})

describe('a restore', () => {
  it('that is cut off goes on with the same backup and no other', async (t) => {
    const store = openMemoryStore()
    await writeLake(store, 500)
    const place = folder(t)
    const [file, otherFile] = [join(place, 'one'), join(place, 'two')]
    await backupStore({ store, file, now })
    const target = openMemoryStore()
    const breaking = faultyStore(target)
    breaking.inject({ method: 'write', mode: 'before', skip: 2 })
    await assert.rejects(restoreStore({ file, store: breaking, now }))
    await store.write([insert('tenants', tenant())])
    await backupStore({ store, file: otherFile, now })
    await assert.rejects(restoreStore({ file: otherFile, store: target, now }), refused(/unfinished copy of the backup of 2023/))
    assert.ok((await restoreStore({ file, store: target, now })).resumed)
    assert.equal((await linesOf(target)).length + 1, (await linesOf(store)).length)
  })

  it('of a version before is restored, with nothing in what has come since', async (t) => {
    const store = openMemoryStore()
    await writeLake(store)
    const file = join(folder(t), 'backup')
    await backupStore({ store, file, now })
    const [header, ...lines] = gunzipSync(readFileSync(file)).toString().split('\n')
    const { columns, ...others } = JSON.parse(header!) as { columns: Record<string, string[]> }
    const since = [
      'warehouses.table_location_layout',
      'namespaces.location',
      'entries.uuid',
      'metrics.principal_id',
      'tasks.location',
    ]
    const older: string[] = []
    const expected: string[] = []
    let rows: string[] = []
    let total = 0
    for (const line of lines.slice(0, -2)) {
      const { end: entity } = JSON.parse(line) as { readonly end?: string }
      if (entity === undefined) rows.push(line)
      else if (entity !== 'settings') {
        const isOld = (column: string): boolean => !since.includes(`${entity}.${column}`)
        const names = columns[entity] ?? []
        const values = rows.map((row) => JSON.parse(row) as unknown[])
        const kept = values.map((row) => JSON.stringify(row.filter((_, at) => isOld(names[at] ?? ''))))
        expected.push(
          ...values.map((row) => `${entity} ${JSON.stringify(row.map((v, at) => (isOld(names[at] ?? '') ? v : null)))}`),
        )
        const sha256 = createHash('sha256')
          .update(kept.map((row) => `${row}\n`).join(''))
          .digest('hex')
        older.push(...kept, JSON.stringify({ end: entity, rows: kept.length, sha256 }))
        columns[entity] = names.filter(isOld)
        total += kept.length
      }
      if (entity !== undefined) rows = []
    }
    delete columns['settings']
    older.unshift(JSON.stringify({ ...others, columns }))
    older.push(JSON.stringify({ complete: true, rows: total, consistency: 'verified' }), '')
    writeFileSync(file, gzipSync(older.join('\n')))
    const restored = openMemoryStore()
    await restoreStore({ file, store: restored, now })
    assert.deepEqual(await linesOf(restored), expected)
  })

  it('and copies are tried with a value in every column of every entity', () => {
    const filled = new Set<string>()
    for (const step of lakeRows('t1', 2)) {
      if (step.op !== 'insert') continue
      for (const [column, value] of Object.entries(step.row)) if (value !== null) filled.add(`${step.entity}.${column}`)
    }
    const all = Object.entries(entities).flatMap(([name, { columns }]) =>
      // What the database draws is drawn anew.
      Object.entries(columns).flatMap(([column, type]) => (type === 'drawn' ? [] : [`${name}.${column}`])),
    )
    assert.deepEqual(
      all.filter((column) => !filled.has(column)),
      [],
    )
  })

  it('refuses a store that is not empty', async (t) => {
    const store = openMemoryStore()
    await writeLake(store)
    const file = join(folder(t), 'backup')
    await backupStore({ store, file, now })
    assert.equal((await restoreStore({ file, store, now })).inserted, 0, 'what is the very same needs nothing')
    await store.write([insert('tenants', tenant())])
    await assert.rejects(restoreStore({ file, store, now }), refused(/not empty/))
  })

  it('refuses every damaged file before it changes anything', async (t) => {
    const store = openMemoryStore()
    await writeLake(store)
    const file = join(folder(t), 'backup')
    await backupStore({ store, file, now })
    const whole = readFileSync(file)
    const lines = gunzipSync(whole).toString().split('\n')
    const text = (...changed: string[]): Buffer => gzipSync(changed.join('\n'))
    const rowAt = lines.findIndex((line) => line.startsWith('["t1"'))
    const endAt = lines.findIndex((line) => line.startsWith('{"end"'))
    const flipped = Buffer.from(whole)
    flipped[Math.floor(whole.length / 2)]! ^= 1
    const damaged: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      'no gzip': Buffer.from('hello'),
      'cut off': whole.subarray(0, whole.length - 20),
      'a flipped bit': flipped,
      'no end': text(...lines.slice(0, -2), ''),
      'more behind the end': text(...lines.slice(0, -1), '[]', ''),
      'a row less': text(...lines.toSpliced(rowAt, 1)),
      'a row twice': text(...lines.toSpliced(rowAt, 0, lines[rowAt]!)),
      'a changed row': text(...lines.with(rowAt, lines[rowAt]!.replace('tenant t1', 'tenant tX'))),
      'a row of another shape': text(...lines.with(rowAt, '[1,2,3]')),
      'an end less': text(...lines.toSpliced(endAt, 1)),
      'no header': text(...lines.slice(1)),
      'another header': text(...lines.with(0, '{"format":"other","version":1,"columns":{"tenants":["id"]}}')),
      'no columns': text(...lines.with(0, '{"format":"pangolin-store-backup","version":1,"columns":{}}')),
    }
    for (const [what, bytes] of Object.entries(damaged)) {
      writeFileSync(file, bytes)
      const target = openMemoryStore()
      await assert.rejects(restoreStore({ file, store: target, now }), refused(/is damaged or no backup/), what)
      assert.equal(await unfinishedFilling(target), undefined, what)
      assert.deepEqual(await linesOf(target), [], what)
    }
    const newer: [string, RegExp][] = [
      [lines[0]!.replace('"version":1', '"version":2'), /format version 2; this program knows 1/],
      [
        lines[0]!.replace('"tenants":["id"', '"tenants":["new","id"'),
        /newer version of this program: it has the column tenants\.new/,
      ],
      [lines[0]!.replace('"tenants":', '"unheard":["id"],"tenants":'), /newer version of this program: it has unheard/],
    ]
    for (const [header, message] of newer) {
      writeFileSync(file, text(...lines.with(0, header)))
      await assert.rejects(restoreStore({ file, store: openMemoryStore(), now }), refused(message))
    }
    writeFileSync(file, whole)
    await restoreStore({ file, store: openMemoryStore(), now })
  })
})
