/** When a task that deletes claims its place. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Location } from '../../src/iceberg/location.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { startRunner, TaskRefused, type RunnerOptions, type TaskHandler } from '../../src/tasks/runner.ts'
import { taskRow } from './tables.ts'

describe('task runner', () => {
  it('claims the place of a task that deletes when it is first begun with, and makes those fail who have not seen it', async () => {
    const store = openMemoryStore()
    const tasks = () => store.list('tasks', { index: 'by_due', where: {}, limit: 100 })
    const settle = () => sleep(100)
    const add = (kind: string, changes: object) =>
      store.write([{ op: 'insert', entity: 'tasks', row: taskRow(kind, {}, changes) }])
    const run = (handlers: Record<string, TaskHandler>, options: Partial<RunnerOptions>) =>
      startRunner({ store, handlers, now: Date.now, owner: 'one', log: () => {}, ...options })
    await store.write([{ op: 'insert', entity: 'tenants', row: { id: 't1', name: 'one', properties: {}, created_at: 0 } }])
    const ground = async (): Promise<number | undefined> => (await store.get('tenants', { id: 't1' }))?.version
    const before = await ground()
    const seen: (string | null)[] = []
    const failOnce: TaskHandler = async (task) => {
      seen.push(task.location)
      throw new TaskRefused('no')
    }
    // As a program of before stores it, and as this one does.
    await add('del', { payload: { location: 's3://b/t' } })
    const runner = run(
      { del: failOnce },
      { claims: { del: (payload) => (payload as { location: string }).location as Location } },
    )
    await settle()
    const first = await ground()
    assert.notEqual(first, before)
    await add('del', { payload: { location: 's3://b/u' }, location: 's3://b/u' })
    runner.stored()
    await settle()
    const second = await ground()
    assert.notEqual(second, first)
    assert.deepEqual(seen, ['s3://b/t', 's3://b/u'])
    assert.deepEqual(
      (await tasks()).map(({ location }) => location).sort(),
      ['s3://b/t', 's3://b/u'],
      'also when it was given up',
    )
    // Later attempts change nothing: whatever is under way has seen it.
    await add('del', { payload: { location: 's3://b/v' }, location: 's3://b/v', attempts: 1 })
    runner.stored()
    await settle()
    assert.equal(await ground(), second)
    await runner.stop()
  })
})
