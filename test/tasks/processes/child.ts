/**
 * A process that runs tasks. Usage: child.ts <database URL> <name>. It prints a line for each task that it begins and ends.
 * A task of kind `work` takes as long as its payload says; one of kind `hang` never ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../../src/stores/open.ts'
import { startRunner, type TaskHandler } from '../../../src/tasks/runner.ts'

const [, , url = '', owner = ''] = process.argv
const say = (word: string, id: string): boolean => process.stdout.write(`${word} ${id}\n`)
const store = openStore(url)
await store.migrate()

const work: TaskHandler = async ({ id, payload }) => {
  say('begin', id)
  await sleep((payload as { readonly ms: number }).ms)
  say('end', id)
}
const hang: TaskHandler = ({ id }, { signal }) => {
  say('begin', id)
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}
startRunner({ store, handlers: { work, hang }, now: Date.now, log: () => {}, owner, leaseMs: 3000, pollMs: 100 })
say('ready', owner)
// The runner's timers keep no process alive.
setInterval(() => {}, 60_000)
