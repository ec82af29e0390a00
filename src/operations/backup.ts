/**
 * Backup and restore: a whole store in one portable file, for any engine. The file is gzip over lines of JSON: a header with
 * the columns, the rows of each entity in key order, behind them their count and hash, at the end a line that says that it is
 * whole. It holds password hashes and sealed secrets, so it is its owner's alone.
 */
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, createWriteStream, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { EntityName } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import { tableOf } from '../stores/tables.ts'
import { readBackup, verifyBackup, FORMAT, FORMAT_VERSION } from './backup-file.ts'
import type { Header } from './backup-file.ts'
import { assertFinished } from './copy.ts'
import { fill, OperationError } from './fill.ts'
import type { FillReport } from './fill.ts'
import { Digester, entityNames, isFilling, rowsOf } from './rows.ts'
import type { Digests, Listable, Progress } from './rows.ts'

/** How a backup came to be of one state: the database's own snapshot, or nothing changed from its first read to its last. */
export type Consistency = 'snapshot' | 'verified'

export interface BackupOptions {
  readonly store: Store
  /** Must not exist. */
  readonly file: string
  readonly now: () => number
  readonly progress?: Progress
}

export interface BackupReport {
  readonly consistency: Consistency
  readonly digests: Digests
}

/** Reading all is tried so often where the database has no snapshots and servers write meanwhile. */
const TRIES = 3
const CHUNK_CHARACTERS = 65_536

/** @throws OperationError */
export async function backupStore(options: BackupOptions): Promise<BackupReport> {
  const { store, file } = options
  await assertFinished(store)
  if (existsSync(file)) throw new OperationError(`${file} is there already; a backup overwrites nothing`)
  if (store.snapshot !== undefined) {
    const snapshot = await store.snapshot()
    try {
      const written = await writeFile(options, snapshot, 'snapshot', async () => true)
      return { consistency: 'snapshot', digests: written!.digests }
    } finally {
      await snapshot.close()
    }
  }
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const written = await writeFile(options, store, 'verified', async (writes) => (await hashOfWrites(store)) === writes)
    if (written !== undefined) return { consistency: 'verified', digests: written.digests }
  }
  throw new OperationError(
    `The store changed each of ${TRIES} times while it was read, and this database has no snapshots. Stop its servers and try again.`,
  )
}

/** Versions are drawn anew by each write: where they are the same, nothing was written in between. */
async function hashOfWrites(store: Listable): Promise<string> {
  const hash = createHash('sha256')
  for (const entity of entityNames) {
    for await (const item of rowsOf(store, entity)) hash.update(`${item.version}\n`)
  }
  return hash.digest('hex')
}

interface Written {
  readonly digests: Digests
  /** As `hashOfWrites` makes it. */
  readonly writes: string
}

/** The file appears whole, durable, under its name, or not at all: `undefined` when `isConsistent` says that it is of no use. */
async function writeFile(
  { file, now, progress = () => {} }: BackupOptions,
  rows: Listable,
  consistency: Consistency,
  isConsistent: (writes: string) => Promise<boolean>,
): Promise<Written | undefined> {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`)
  const descriptor = create(temporary, file)
  try {
    let written: Written | undefined
    const text = lines(rows, { consistency, createdAt: now(), progress, done: (result) => (written = result) })
    await pipeline(Readable.from(text), createGzip(), createWriteStream(temporary, { fd: descriptor, autoClose: false }))
    if (!(await isConsistent(written!.writes))) return undefined
    fsyncSync(descriptor)
    publish(temporary, file)
    return written
  } finally {
    closeSync(descriptor)
    rmSync(temporary, { force: true })
  }
}

function create(temporary: string, file: string): number {
  try {
    return openSync(temporary, 'wx', 0o600)
  } catch (error) {
    throw new OperationError(`${file} can't be written: ${(error as Error).message}`, { cause: error })
  }
}

function publish(temporary: string, file: string): void {
  try {
    linkSync(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new OperationError(`${file} appeared meanwhile; a backup overwrites nothing`)
  }
  if (process.platform === 'win32') return
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

interface LineOptions {
  readonly consistency: Consistency
  readonly createdAt: number
  readonly progress: Progress
  readonly done: (written: Written) => void
}

/** The text of the file, in pieces. */
async function* lines(store: Listable, options: LineOptions): AsyncGenerator<string> {
  const digester = new Digester()
  const writes = createHash('sha256')
  let total = 0
  let chunk = `${JSON.stringify(header(options.createdAt))}\n`
  for (const entity of entityNames) {
    for await (const item of rowsOf(store, entity)) {
      writes.update(`${item.version}\n`)
      if (isFilling(item)) continue
      digester.add(entity, item.line)
      chunk += `${item.line}\n`
      options.progress('back up', entity, ++total)
      if (chunk.length < CHUNK_CHARACTERS) continue
      yield chunk
      chunk = ''
    }
    chunk += `${JSON.stringify({ end: entity, ...digester.digest(entity) })}\n`
  }
  yield `${chunk}${JSON.stringify({ complete: true, rows: total, consistency: options.consistency })}\n`
  options.done({ digests: digester.all(), writes: writes.digest('hex') })
}

function header(createdAt: number): Header {
  const columns = (entity: EntityName): string[] => tableOf(entity).columns.map(({ name }) => name)
  return {
    format: FORMAT,
    version: FORMAT_VERSION,
    created_at: new Date(createdAt).toISOString(),
    columns: Object.fromEntries(entityNames.map((entity) => [entity, columns(entity)])),
  }
}

export interface RestoreOptions {
  readonly file: string
  readonly store: Store
  readonly now: () => number
  readonly progress?: Progress
}

/** Reads the whole file first: a damaged one changes nothing. @throws OperationError */
export async function restoreStore({ file, store, now, progress = () => {} }: RestoreOptions): Promise<FillReport> {
  const { identity } = await verifyBackup(file, progress)
  return fill({ source: { identity, rows: () => readBackup(file) }, target: store, now, progress })
}
