/**
 * Another process that uses an SQL store, for tests of what several processes do to one database and of what a killed one
 * leaves behind. Usage: child.ts <task> <database URL or path> [argument]. It prints a line for each thing that is sure to have happened.
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { openStore } from '../../../src/stores/open.ts'
import { StoreError } from '../../../src/stores/store.ts'
import type { Store } from '../../../src/stores/store.ts'
import { entry, insert, metricsReport, replace, tenant } from '../suite/rows.ts'

const say = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Pairs of rows, each pair one batch, until somebody ends the process. */
async function writePairs(store: Store): Promise<void> {
  const writer = async (): Promise<void> => {
    for (;;) {
      const id = randomUUID()
      await store.write([insert('tenants', tenant({ id })), insert('entries', entry({ tenant_id: id }))])
      say(id)
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
}

async function increment(store: Store, id: string): Promise<void> {
  for (let won = 0; won < 100;) {
    const row = await store.get('tenants', { id })
    if (row === undefined) throw new Error('the row is missing')
    try {
      await store.write([replace('tenants', { ...row, created_at: row.created_at + 1 }, row.version)])
      won++
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    }
  }
  say('done')
}

/** Writes until the limit on the size of files stops it, lifts the limit, and writes again. */
async function fill(store: Store): Promise<void> {
  const report = 'x'.repeat(100_000)
  const write = async (): Promise<string> => {
    const row = metricsReport({ id: randomUUID(), report })
    const outcome = await store.write([insert('metrics', row)]).catch((error: unknown) => error)
    const isThere = (await store.get('metrics', row)) !== undefined
    return `${outcome instanceof StoreError ? outcome.kind : Array.isArray(outcome) ? 'written' : String(outcome)} ${isThere}`
  }
  let failures = 0
  for (let round = 0; failures < 3 && round < 200; round++) {
    for (const outcome of await Promise.all([write(), write(), write()])) {
      if (outcome !== 'written true') failures++
      say(outcome)
    }
  }
  spawnSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'], { stdio: 'inherit' })
  say('lifted')
  say(await write())
}

const [, , task, database = '', argument = ''] = process.argv
const store = openStore(database)
await store.migrate()
say('ready')
if (task === 'pairs') await writePairs(store)
if (task === 'increment') await increment(store, argument)
if (task === 'fill') await fill(store)
await store.close()
