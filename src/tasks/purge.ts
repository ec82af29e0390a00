/**
 * Deletes the files of a dropped table: those that its metadata reaches and that lie below its own location. Other places
 * (`write.data.path`, imported files) are left alone: metadata is written by clients and can name the files of any table of
 * the warehouse, and nothing but the location is known to belong to one table only.
 *
 * Resumable at any point: files go before what names them, and the metadata file goes last, so that a task which was cut off
 * finds what is left; a file that is missing was deleted before.
 */
import { deletable } from '../catalog/places/reachable.ts'
import { canonicalFile, canonicalLocation, isBelow, type Location } from '../iceberg/location.ts'
import type { Json, Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import { StorageError, type ObjectStore } from '../storage/storage.ts'
import { contentFilesOf, manifestsOf, readNamedFiles } from './reachable-files.ts'
import { TaskRefused, type TaskContext, type TaskHandler } from './runner.ts'

/** The storage of a warehouse, which may outlive the catalog of a dropped table; `undefined` when it is gone. */
export type OpenStorageFor = (tenantId: string, warehouseName: string) => Promise<{ readonly storage: ObjectStore } | undefined>

export interface PurgeOptions {
  readonly store: Store
  readonly openStorageFor: OpenStorageFor
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
}

const BATCH = 1000
/** Their names are remembered: a manifest belongs to many snapshots, and is read once. */
const MAX_MANIFESTS = 250_000

/** The payload's text under `key`. */
export function textOf(payload: Json, key: string): string {
  const value = payload !== null && typeof payload === 'object' ? (payload as { readonly [key: string]: Json })[key] : undefined
  if (typeof value !== 'string') throw new TaskRefused(`the payload has no text ${key}`)
  return value
}

export function locationOf(payload: Json): Location {
  try {
    return canonicalLocation(textOf(payload, 'location'))
  } catch (error) {
    throw error instanceof TaskRefused ? error : new TaskRefused('the payload has no usable location', error)
  }
}

/** Thrown when another entry lives where the table was, or can come back there: nothing more is deleted or left to do. */
class Occupied extends Error {}

/** Deletes files in batches: those below `location` that nothing leads to, and none once another entry is there. */
class Remover {
  readonly #options: PurgeOptions
  readonly #task: Row<'tasks'>
  readonly #storage: ObjectStore
  readonly #location: Location
  readonly #signal: AbortSignal
  #batch: string[] = []
  deleted = 0
  kept = 0

  constructor(options: PurgeOptions, task: Row<'tasks'>, storage: ObjectStore, location: Location, signal: AbortSignal) {
    this.#options = options
    this.#task = task
    this.#storage = storage
    this.#location = location
    this.#signal = signal
  }

  /** Those that may be deleted. Asked with none: whether any may. */
  async #deletable(batch: readonly string[]): Promise<readonly string[]> {
    this.#signal.throwIfAborted()
    const { id, tenant_id: tenantId, payload } = this.#task
    // Tasks that a version before has stored do not name it.
    const { uuid = null } = payload as { readonly uuid?: string | null }
    const doomed = { tenantId, location: this.#location, files: batch, owner: { is: 'gone', purge: id, uuid } } as const
    const { files, keptBy } = await deletable(this.#options, doomed)
    if (keptBy === undefined) return files
    const { kind, isDropped, location } = keptBy
    throw new Occupied(`${kind} ${keptBy.id} ${isDropped ? 'was dropped and can come back' : 'is'} at ${location}`)
  }

  async check(): Promise<void> {
    await this.#deletable([])
  }

  async add(files: readonly string[]): Promise<void> {
    for (const file of files) {
      const canonical = canonicalFile(file)
      if (canonical === undefined || !isBelow(this.#location, canonical)) {
        this.kept += 1
        continue
      }
      this.#batch.push(canonical)
      if (this.#batch.length >= BATCH) await this.flush()
    }
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    if (batch.length === 0) return
    const files = await this.#deletable(batch)
    await this.#storage.delete(files)
    this.deleted += files.length
    this.kept += batch.length - files.length
  }

  /** The folders that are left, where storage has such. A table that was at the root of a warehouse leaves that alone. */
  async removeFolder(): Promise<void> {
    try {
      await this.#storage.delete(await this.#deletable([`${this.#location}/`]))
    } catch (error) {
      if (!(error instanceof StorageError && error.kind === 'forbidden')) throw error
    }
  }
}

async function removeSnapshots(
  storage: ObjectStore,
  named: { gcEnabled: boolean; manifestLists: readonly string[]; manifests: readonly string[] },
  remover: Remover,
): Promise<void> {
  const seen = new Set<string>()
  const removeManifest = async (manifest: string): Promise<void> => {
    if (seen.has(manifest)) return
    seen.add(manifest)
    if (seen.size > MAX_MANIFESTS) throw new TaskRefused(`the table has more than ${MAX_MANIFESTS} manifests`)
    if (named.gcEnabled) {
      for await (const files of contentFilesOf(storage, manifest)) await remover.add(files)
      await remover.flush()
    }
    await remover.add([manifest])
  }
  for (const manifest of named.manifests) await removeManifest(manifest)
  for (const manifestList of named.manifestLists) {
    for await (const manifests of manifestsOf(storage, manifestList)) {
      for (const manifest of manifests) await removeManifest(manifest)
    }
    await remover.flush()
    await remover.add([manifestList])
    await remover.flush()
  }
}

async function purge(options: PurgeOptions, task: Row<'tasks'>, { signal }: TaskContext): Promise<void> {
  const location = locationOf(task.payload)
  const metadataLocation = canonicalFile(textOf(task.payload, 'metadata_location'))
  if (metadataLocation === undefined) throw new TaskRefused('the payload has no usable metadata_location')
  const opened = await options.openStorageFor(task.tenant_id, textOf(task.payload, 'warehouse_name'))
  if (opened === undefined) throw new TaskRefused('the warehouse of the table is gone, and with it the way to its files')
  const { storage } = opened
  const remover = new Remover(options, task, storage, location, signal)
  await remover.check()
  const named = await readNamedFiles(storage, metadataLocation, location)
  if (named !== undefined) {
    await removeSnapshots(storage, named, remover)
    await remover.add([...named.statistics, ...named.previousMetadata])
    await remover.flush()
    await remover.add([metadataLocation])
    await remover.flush()
  }
  await remover.removeFolder()
  options.log('table-purged', { task: task.id, location, deleted: remover.deleted, kept: remover.kept })
}

/** The task kind `purge-table`: payload `warehouse_name`, `location`, `metadata_location`, `uuid`. */
export function purgeTable(options: PurgeOptions): TaskHandler {
  return async (task, context) => {
    try {
      await purge(options, task, context)
    } catch (error) {
      if (error instanceof Occupied) return options.log('purge-skipped', { task: task.id, reason: error.message })
      if (error instanceof StorageError && (error.kind === 'forbidden' || error.kind === 'invalid'))
        throw new TaskRefused(error.message, error)
      throw error
    }
  }
}
