/**
 * A process that purges tables, with a pause before each call to the storage. Usage: purger.ts <database URL> <root folder>.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalLocation } from '../../../src/iceberg/location.ts'
import { openFileStore } from '../../../src/storage/file.ts'
import type { ObjectStore } from '../../../src/storage/storage.ts'
import { openStore } from '../../../src/stores/open.ts'
import { startTasks } from '../../../src/tasks/start.ts'

const [, , url = '', folder = ''] = process.argv
const store = openStore(url)
await store.migrate()
const files = openFileStore(canonicalLocation(`file://${folder}`))
const slowly = async <T>(call: () => Promise<T>): Promise<T> => {
  await sleep(Math.random() * 4)
  return call()
}
const storage: ObjectStore = {
  read: (...parameters) => slowly(() => files.read(...parameters)),
  create: (...parameters) => files.create(...parameters),
  delete: (...parameters) => slowly(() => files.delete(...parameters)),
  list: (prefix) => files.list(prefix),
  prepare: (location) => files.prepare(location),
  close: () => files.close(),
}
startTasks({ store, now: Date.now, log: () => {}, openStorageFor: async () => ({ storage }), pollMs: 20 })
process.stdout.write('ready\n')
// The runner's timers keep no process alive.
setInterval(() => {}, 60_000)
