/** The files that the test of a warehouse makes, and what must be true of them. */
import { joinLocation, type Location } from '../../iceberg/location.ts'
import { StorageError, type ObjectStore } from '../storage.ts'
import { Finding } from './checks.ts'

const TEXT = Buffer.from('Written by a test of a Pangolin warehouse, which removes it again.\n')
export const MAX_BYTES = 1000

/** The folder of a test and what is in it. */
export interface Places {
  readonly folder: Location
  readonly table: Location
  readonly inside: Location
  /** A table whose name begins with that of the other. */
  readonly sibling: Location
  readonly inSibling: Location
  /** A file in the folder around the table. */
  readonly beside: Location
}

export function placesOf(root: Location, id: string, name: string): Places {
  const folder = joinLocation(root, `pangolin-test-${id}`)
  const [table, sibling] = [joinLocation(folder, name), joinLocation(folder, `${name}-2`)]
  return {
    folder,
    table,
    inside: joinLocation(table, 'data', 'file'),
    sibling,
    inSibling: joinLocation(sibling, 'data', 'file'),
    beside: joinLocation(folder, 'file'),
  }
}

/** Refused as a whole: nothing was written. */
const REFUSALS = new Set(['forbidden', 'invalid'])

/** Writes, and remembers what is there or may be. */
export class Writer {
  readonly written = new Set<string>()
  readonly maybe = new Set<string>()

  async write(store: ObjectStore, location: Location): Promise<void> {
    const isNew = !this.maybe.has(location)
    this.maybe.add(location)
    try {
      await store.create(location, TEXT)
      this.written.add(location)
    } catch (error) {
      if (isNew && error instanceof StorageError && REFUSALS.has(error.kind)) this.maybe.delete(location)
      throw error
    }
  }
}

export async function readsBack(store: ObjectStore, location: Location): Promise<void> {
  const found = await store.read(location, { maxBytes: MAX_BYTES })
  if (found.equals(TEXT)) return
  throw new Finding(
    `${location} reads as something else than was written there`,
    'Look for what changes objects on their way: a proxy, a cache',
  )
}

export async function lists(store: ObjectStore, folder: Location, expected: readonly Location[]): Promise<void> {
  const found: string[] = []
  for await (const { location } of store.list(`${folder}/`)) {
    found.push(location)
    if (found.length > expected.length) break
  }
  if (found.length === expected.length && expected.every((location) => found.includes(location))) return
  throw new Finding(
    `Listing ${folder} shows ${found.length} files where there are ${expected.length}`,
    'Use a service whose listings show what was written before: without that the files of dropped tables would stay',
  )
}

export async function isGone(store: ObjectStore, location: Location): Promise<void> {
  try {
    await store.read(location, { maxBytes: MAX_BYTES })
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'missing') return
    throw error
  }
  throw new Finding(
    `${location} was deleted and is still there`,
    'Look for a lock on objects of the bucket (retention, legal hold), or a cache',
  )
}

export async function refusesSecond(store: ObjectStore, location: Location): Promise<void> {
  try {
    await store.create(location, TEXT)
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'exists') return
    throw error
  }
  throw new Finding(
    `${location} was written twice: the service ignores the condition that it must be new`,
    'Use a version of the service that knows conditional writes (If-None-Match): metadata files must never be overwritten',
  )
}
