/** Background work among processes: each task is done by exactly one, and by another one when that one is killed. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../src/stores/open.ts'
import { newDatabase, serverDatabases, stopDatabases, type ServerDatabase } from '../services/databases.ts'
import { taskRow } from './tables.ts'

const CHILD = join(import.meta.dirname, 'processes', 'child.ts')
const NAMES = ['one', 'two', 'three'] as const
const TASKS = 40

/** The URL of a database for one test; nothing where its server is missing. */
async function databaseFor(t: TestContext, database: 'sqlite' | ServerDatabase): Promise<string | undefined> {
  if (database !== 'sqlite') return newDatabase(t, database)
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-tasks-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'tasks.db')
}

after(stopDatabases)

interface Said {
  readonly by: string
  readonly word: string
  readonly id: string
}

function start(t: TestContext, url: string, name: string, said: Said[]): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, url, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) said.push({ by: name, word: line.split(' ')[0]!, id: line.split(' ')[1]! })
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20)
}

for (const { database, title } of [{ database: 'sqlite', title: 'sqlite' } as const, ...serverDatabases]) {
  describe(`tasks of three processes on ${title}`, () => {
    it('are done by exactly one each, and taken over from one that is killed', { timeout: 120_000 }, async (t) => {
      const url = await databaseFor(t, database)
      if (url === undefined) return
      const store = openStore(url)
      await store.migrate()
      t.after(() => store.close())
      const insert = (id: string, kind: string) =>
        store.write([{ op: 'insert', entity: 'tasks', row: { ...taskRow(kind, { ms: 30 }, { due_at: Date.now() }), id } }])
      const said: Said[] = []
      const children = new Map(NAMES.map((child) => [child as string, start(t, url, child, said)]))
      await until(() => said.filter(({ word }) => word === 'ready').length === NAMES.length)

      for (let n = 0; n < TASKS; n++) await insert(`work-${n}`, 'work')
      const begun = (): string[] => said.filter(({ word }) => word === 'begin').map(({ id }) => id)
      await until(async () => (await store.list('tasks', { index: 'by_due', where: {}, limit: 1 })).length === 0)
      await until(() => said.filter(({ word }) => word === 'end').length >= TASKS)
      assert.deepEqual(begun().sort(), Array.from({ length: TASKS }, (_, n) => `work-${n}`).sort(), 'each once')
      assert.ok(new Set(said.filter(({ word }) => word === 'end').map(({ by }) => by)).size > 1, 'not all by one process')

      await insert('stuck', 'hang')
      await until(() => begun().includes('stuck'))
      // Longer than the lease: its owner renews it, and nobody else takes it.
      await sleep(4500)
      const owners = (): string[] => said.filter(({ word, id }) => word === 'begin' && id === 'stuck').map(({ by }) => by)
      assert.equal(owners().length, 1)
      const [owner] = owners()
      children.get(owner!)!.kill('SIGKILL')
      await until(() => owners().length > 1)
      assert.equal(owners().length, 2)
      assert.notEqual(owners()[1], owner)
    })
  })
}
