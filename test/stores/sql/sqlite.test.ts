/** What is particular to SQLite: one file, its disk, several processes, the writer's thread. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { endsTransaction, notCommitted } from '../../../src/stores/sql/sqlite-connection.ts'
import { openSqliteStore } from '../../../src/stores/sql/sqlite.ts'
import type { Mutation, Store } from '../../../src/stores/store.ts'
import { temporaryFolder } from '../folder.ts'
import { conflict, entry, insert, mutation, remove, replace, require, storeError, tenant, winners } from '../suite/rows.ts'

let folder = ''
before(async () => {
  folder = await temporaryFolder()
})
after(() => rm(folder, { recursive: true, force: true }))

const newPath = (): string => join(folder, `${randomUUID()}.db`)

async function withStore(path: string, use: (store: Store) => Promise<void>, busyTimeoutMs = 10_000): Promise<void> {
  const store = openSqliteStore({ path, busyTimeoutMs })
  try {
    await store.migrate()
    await use(store)
  } finally {
    await store.close()
  }
}

const childFile = new URL('child.ts', import.meta.url).pathname

/** Starts `child.ts`; `lines` are what it said so far. */
function start(task: string, path: string, argument = '', command: string[] = []): { child: ChildProcess; lines: string[] } {
  const [program = process.execPath, ...parameters] = [...command, process.execPath, childFile, task, path, argument]
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  return { child, lines }
}

async function finish(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
}

/** Transactions in the write-ahead log: frames whose header has the size of the database after a commit. */
async function countCommits(path: string): Promise<number> {
  const log = await readFile(`${path}-wal`)
  const pageSize = log.readUInt32BE(8)
  let commits = 0
  for (let at = 32; at + 24 + pageSize <= log.length; at += 24 + pageSize) {
    const isCurrent = log.readUInt32BE(at + 8) === log.readUInt32BE(16)
    if (isCurrent && log.readUInt32BE(at + 4) !== 0) commits++
  }
  return commits
}

describe('sqlite: grouped commits', () => {
  test('batches that wait at the same time are committed together', async () => {
    const path = newPath()
    await withStore(path, async (store) => {
      await store.write([insert('tenants', tenant())])
      const commits = await countCommits(path)
      await Promise.all(Array.from({ length: 50 }, () => store.write([insert('tenants', tenant())])))
      const grouped = (await countCommits(path)) - commits
      assert.ok(grouped >= 1 && grouped <= 3, `${grouped} commits`)
      await store.write([insert('tenants', tenant())])
      assert.equal(await countCommits(path), commits + grouped + 1)
    })
  })

  test('each batch of a group fails alone', async () => {
    await withStore(newPath(), async (store) => {
      const [a, b, c] = [tenant(), tenant(), tenant()]
      const outcomes = [
        store.write([insert('tenants', a), require('tenants', b, 'any')]),
        store.write([insert('tenants', b)]),
        store.write([insert('tenants', c), insert('tenants', a), replace('tenants', b, 1)]),
        store.write([require('tenants', b, 'any'), insert('tenants', a)]),
        store.write([insert('tenants', c)]),
      ]
      await assert.rejects(outcomes[0] as Promise<unknown>, conflict(1))
      await assert.rejects(outcomes[2] as Promise<unknown>, conflict(2))
      assert.equal(await winners(outcomes), 3)
      assert.ok((await store.getMany('tenants', [a, b, c])).every((row) => row !== undefined))
    })
  })

  test('a batch that the database can not understand does not harm its neighbours', async () => {
    const path = newPath()
    await withStore(path, async (store) => {
      const other = new DatabaseSync(path)
      other.exec('drop table "metrics"')
      other.close()
      const [a, b] = [tenant(), tenant()]
      const broken = store.write([
        insert('tenants', a),
        mutation({ op: 'requireEmpty', entity: 'metrics', index: 'primary', where: {} }),
      ])
      const good = store.write([insert('tenants', b)])
      await assert.rejects(broken, storeError('unavailable'))
      await good
      assert.deepEqual(
        (await store.getMany('tenants', [a, b])).map((row) => row?.id),
        [undefined, b.id],
      )
    })
  })
})

describe('sqlite: trouble', () => {
  test('a lock that another process keeps makes a write unavailable, and does no lasting harm', async () => {
    const path = newPath()
    await withStore(
      path,
      async (store) => {
        const [a, b] = [tenant(), tenant()]
        const other = new DatabaseSync(path)
        other.exec('begin immediate')
        await assert.rejects(store.write([insert('tenants', a)]), storeError('unavailable'))
        assert.equal(await store.get('tenants', a), undefined, 'reads go on')
        const waiting = store.write([insert('tenants', b)])
        await sleep(20)
        other.exec('rollback')
        other.close()
        await waiting
        await store.write([insert('tenants', a)])
        assert.ok((await store.getMany('tenants', [a, b])).every((row) => row !== undefined))
      },
      500,
    )
  })

  test('when the writer is lost its batches are unknown, and the next write finds another', async () => {
    const workers: Worker[] = []
    const remember = (worker: Worker): void => void workers.push(worker)
    process.on('worker', remember)
    const path = newPath()
    const useAndLose = async (store: Store): Promise<void> => {
      await store.write([insert('tenants', tenant())])
      process.off('worker', remember)
      assert.equal(workers.length, 1)
      // With the database locked, what is sent can't be done before the thread is gone.
      const other = new DatabaseSync(path)
      other.exec('begin immediate')
      const row = tenant()
      const lost = [store.write([insert('tenants', row)]), store.write([insert('tenants', tenant())])]
      const checks = lost.map((write) => assert.rejects(write, storeError('unknown')))
      await sleep(50)
      await workers[0]?.terminate()
      other.exec('rollback')
      other.close()
      await Promise.all(checks)
      assert.equal(await store.get('tenants', row), undefined)
      const again = tenant()
      await store.write([insert('tenants', again)])
      assert.ok(await store.get('tenants', again))
    }
    await withStore(path, useAndLose, 300)
  })

  for (const write of [`await store.write([{ op: 'insert', entity: 'tenants', row }])`, '']) {
    test(`a store at rest does not keep the process alive, ${write === '' ? 'before' : 'after'} its first write`, async () => {
      const path = newPath()
      const code = `
        const { openSqliteStore } = await import(${JSON.stringify(new URL('../../../src/stores/sql/sqlite.ts', import.meta.url).href)})
        const store = openSqliteStore({ path: ${JSON.stringify(path)} })
        await store.migrate()
        const row = { id: 'a', name: 'a', properties: {}, created_at: 1 }
        ${write}`
      await finish(spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'inherit', 'inherit'] }))
      await withStore(path, async (store) => assert.equal((await store.get('tenants', { id: 'a' })) !== undefined, write !== ''))
    })
  }

  test('what is no database is said to be none', async () => {
    const garbage = newPath()
    await writeFile(garbage, 'This is a text, and a long one, and no database at all. '.repeat(100))
    assert.throws(() => openSqliteStore({ path: garbage }), storeError('unavailable'))
    assert.throws(() => openSqliteStore({ path: join(folder, 'missing', 'x.db') }), storeError('unavailable'))
    await mkdir(join(folder, 'folder.db'))
    assert.throws(() => openSqliteStore({ path: join(folder, 'folder.db') }), storeError('unavailable'))
    assert.throws(() => openSqliteStore({ path: ':memory:' }), TypeError)
  })

  const noLimits = spawnSync('prlimit', ['--version']).status === 0 ? false : 'needs prlimit, of Linux, to lift a limit'
  test(
    'a disk that takes no more: nothing half-written, and all is well when there is room again',
    { skip: noLimits },
    async () => {
      const { child, lines } = start('fill', newPath(), '', ['sh', '-c', 'ulimit -S -f 8192; exec "$@"', 'sh'])
      await finish(child)
      const [ready, ...outcomes] = lines
      assert.equal(ready, 'ready')
      const lifted = outcomes.indexOf('lifted')
      assert.ok(outcomes.slice(0, lifted).includes('written true'))
      assert.ok(outcomes.slice(0, lifted).includes('unavailable false'), 'the limit was met')
      assert.deepEqual(new Set(outcomes.slice(0, lifted)), new Set(['written true', 'unavailable false']))
      assert.deepEqual(outcomes.slice(lifted + 1), ['written true'])
    },
  )
})

describe('sqlite: what a failed call means', () => {
  const error = (errcode: number): Error => Object.assign(new Error('made up'), { errcode })

  test('a commit that could not be written left nothing; one that the disk did not confirm may be found', () => {
    for (const code of [5, 261, 13, 778]) assert.equal(notCommitted(error(code)), true, String(code))
    for (const code of [10, 1034, 1290, 11, 7]) assert.equal(notCommitted(error(code)), false, String(code))
    assert.equal(notCommitted(new Error('not of SQLite')), false)
  })

  test('trouble with the disk, memory or locks ends the group, trouble with one statement its batch', () => {
    for (const code of [5, 7, 10, 778, 11, 13, 14, 26]) assert.equal(endsTransaction(error(code)), true, String(code))
    for (const code of [1, 18, 19, 20, 25, 2067]) assert.equal(endsTransaction(error(code)), false, String(code))
    assert.equal(endsTransaction(new TypeError('not of SQLite')), false)
  })
})

describe('sqlite: processes', () => {
  test('several processes start on one new file at once', async () => {
    const path = newPath()
    await Promise.all(Array.from({ length: 4 }, () => finish(start('migrate', path).child)))
    await withStore(path, async (store) => {
      await store.write([insert('tenants', tenant())])
    })
  })

  test('counters of several processes lose nothing', async () => {
    const path = newPath()
    const row = tenant({ created_at: 0 })
    await withStore(path, async (store) => {
      await store.write([insert('tenants', row)])
      await Promise.all([1, 2, 3].map(() => finish(start('increment', path, row.id).child)))
      assert.equal((await store.get('tenants', row))?.created_at, 300)
    })
  })

  test('a log that was cut off anywhere holds whole batches, and all those before the cut', async () => {
    const path = newPath()
    const written: { id: string; logBytes: number }[] = []
    await withStore(path, async (store) => {
      for (let group = 0; group < 15; group++) {
        const ids = [randomUUID(), randomUUID(), randomUUID()]
        const pair = (id: string): Mutation[] => [insert('tenants', tenant({ id })), insert('entries', entry({ tenant_id: id }))]
        await Promise.all(ids.map((id) => store.write(pair(id))))
        const { size } = await stat(`${path}-wal`)
        written.push(...ids.map((id) => ({ id, logBytes: size })))
      }
      const [file, log] = [await readFile(path), await readFile(`${path}-wal`)]
      const first = written[0]?.logBytes ?? 0
      const cuts = [
        first,
        log.length,
        ...Array.from({ length: 12 }, () => first + Math.floor(Math.random() * (log.length - first))),
      ]
      for (const cut of cuts) {
        const copy = newPath()
        await writeFile(copy, file)
        await writeFile(`${copy}-wal`, log.subarray(0, cut))
        await withStore(copy, async (recovered) => {
          const tenants = await recovered.list('tenants', { index: 'primary', where: {}, limit: 1000 })
          const entries = await recovered.list('entries', { index: 'primary', where: {}, limit: 1000 })
          const ids = tenants.map(({ id }) => id)
          assert.deepEqual(
            ids,
            entries.map(({ tenant_id }) => tenant_id),
          )
          const missing = written.filter(({ id, logBytes }) => logBytes <= cut && !ids.includes(id))
          assert.deepEqual(missing, [])
        })
      }
    })
  })

  test('every write that was acknowledged before kill -9 is there, and no batch is there by half', async () => {
    const path = newPath()
    const acknowledged: string[] = []
    for (let round = 0; round < 3; round++) {
      const { child, lines } = start('pairs', path)
      while (lines.length < 50) {
        assert.equal(child.exitCode, null, 'the child is at work')
        await sleep(5)
      }
      await sleep(Math.random() * 50)
      child.kill('SIGKILL')
      await once(child, 'close')
      acknowledged.push(...lines.slice(1))
      await withStore(path, async (store) => {
        const tenants = await store.list('tenants', { index: 'primary', where: {}, limit: 1_000_000 })
        const entries = await store.list('entries', { index: 'primary', where: {}, limit: 1_000_000 })
        const ids = tenants.map(({ id }) => id)
        assert.deepEqual(
          entries.map(({ tenant_id }) => tenant_id),
          ids,
          'pairs are whole',
        )
        const there = new Set(ids)
        assert.deepEqual(
          acknowledged.filter((id) => !there.has(id)),
          [],
        )
        for (const id of acknowledged.slice(-10)) assert.equal((await store.get('tenants', { id }))?.id, id)
        await store.write([remove('tenants', tenants[0] ?? tenant(), 'any'), insert('tenants', tenants[0] ?? tenant())])
      })
      const check = new DatabaseSync(path)
      assert.deepEqual(
        check
          .prepare('pragma integrity_check')
          .all()
          .map((row) => Object.values(row)),
        [['ok']],
      )
      check.close()
    }
  })
})
