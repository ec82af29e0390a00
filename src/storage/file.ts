/**
 * Objects as files of a local disk, below one root folder. Files are never overwritten, and are on disk (with the entry
 * of their folder) before `create` resolves. Symbolic links can't lead out of the root: folders are resolved on each call,
 * and the last step of a path is never a link. System calls that only touch the page cache are made in place, as a trip to
 * another thread costs several times as much; whatever waits for a disk is not (`file-writer.ts`).
 */
import fs from 'node:fs'
import { opendir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { canonicalFile, canonicalLocation, isBelow, localPath, type Location } from '../iceberg/location.ts'
import { createFile, makeFolder } from './file-writer-threads.ts'
import type { StorageKind } from './kind.ts'
import { fileAdvice } from './probe/file-advice.ts'
import { assertInside, codeOf, OUTSIDE, resolvedAncestor, syncFolder, WINDOWS } from './folders.ts'
import { StorageError, type ObjectStore, type StorageErrorKind, type StoredObject } from './storage.ts'

const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = fs.constants
const read = promisify(fs.read)
const unlink = promisify(fs.unlink)
const rmdir = promisify(fs.rmdir)

const KINDS: Readonly<Record<string, StorageErrorKind>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EEXIST: 'exists',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  ELOOP: 'forbidden',
  [OUTSIDE]: 'forbidden',
  EISDIR: 'invalid',
  ENAMETOOLONG: 'invalid',
  EINVAL: 'invalid',
}

function failure(what: string, location: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const code = codeOf(error)
  const why = code === OUTSIDE ? 'links lead out of the warehouse' : code || 'failed'
  return new StorageError(KINDS[code] ?? 'unavailable', `Can't ${what} ${location}: ${why}`, error)
}

const nativePath = (location: Location): string => {
  const text = localPath(location)
  return WINDOWS && /^\/[A-Za-z]:(\/|$)/.test(text) ? path.normalize(text.slice(1)) : text
}

/** Once for each store, so it may wait for the disk. */
function makeRoot(folder: string): string {
  const first = fs.mkdirSync(folder, { recursive: true })
  const top = first?.length ?? Infinity
  for (let made = folder; made.length >= top; made = path.dirname(made)) syncFolder(path.dirname(made))
  return fs.realpathSync.native(folder)
}

class FileStore implements ObjectStore {
  readonly #root: Location
  #resolvedRoot: string | undefined

  constructor(root: Location) {
    this.#root = root
  }

  /** Made on first use when it is not there; without links. */
  get #rootPath(): string {
    return (this.#resolvedRoot ??= makeRoot(nativePath(this.#root)))
  }

  /** A disk that is not there, or a folder that was moved away, is no answer to the question whether a file exists. */
  get #isGone(): boolean {
    return this.#resolvedRoot !== undefined && !fs.existsSync(this.#resolvedRoot)
  }

  #failure(what: string, location: string, error: unknown): StorageError {
    const problem = failure(what, location, error)
    if (problem.kind === 'unavailable' || !this.#isGone) return problem
    return new StorageError('unavailable', `Can't ${what} ${location}: the folder of the warehouse is gone`, error)
  }

  #pathOf(location: string): string {
    const canonical = canonicalFile(location)
    if (canonical !== undefined && isBelow(this.#root, canonical)) return nativePath(canonical)
    throw new StorageError('forbidden', `Location is not below ${this.#root}: ${location}`)
  }

  /** The path of an object's file, after making sure that its folder is, once resolved, in the root. */
  #checkedPath(location: string): string {
    const file = this.#pathOf(location)
    assertInside(this.#rootPath, resolvedAncestor(path.dirname(file)))
    return file
  }

  async read(location: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    try {
      const fd = fs.openSync(this.#checkedPath(location), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      try {
        return await readWhole(fd, location, maxBytes)
      } finally {
        fs.closeSync(fd)
      }
    } catch (error) {
      throw this.#failure('read', location, error)
    }
  }

  async create(location: string, bytes: Uint8Array): Promise<void> {
    try {
      await createFile(this.#rootPath, this.#pathOf(location), bytes)
    } catch (error) {
      throw this.#failure('create', location, error)
    }
  }

  async delete(locations: readonly string[]): Promise<void> {
    for (const location of locations) {
      try {
        if (location.endsWith('/')) await removeEmptyFolders(this.#checkedPath(location.slice(0, -1)))
        else await removeFile(this.#checkedPath(location))
      } catch (error) {
        const problem = this.#failure('delete', location, error)
        if (problem.kind !== 'missing') throw problem
      }
    }
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    const base = canonicalLocation(prefix, { schemes: ['file'] })
    if (base !== this.#root && !isBelow(this.#root, base)) {
      throw new StorageError('forbidden', `Location is not below ${this.#root}: ${prefix}`)
    }
    try {
      const folder = nativePath(base)
      assertInside(this.#rootPath, resolvedAncestor(folder))
      yield* walk(folder, base)
      if (this.#isGone) throw new StorageError('unavailable', `Can't list ${prefix}: the folder of the warehouse is gone`)
    } catch (error) {
      const problem = this.#failure('list', prefix, error)
      // A file in the place of a folder is not nothing.
      if (problem.kind !== 'missing' || codeOf(error) === 'ENOTDIR') throw problem
    }
  }

  async prepare(tableLocation: string): Promise<void> {
    try {
      for (const child of ['data', 'metadata']) {
        await makeFolder(this.#rootPath, path.dirname(this.#pathOf(`${tableLocation}/${child}/-`)))
      }
    } catch (error) {
      throw this.#failure('prepare', tableLocation, error)
    }
  }

  async removeEmptyFolders(file: string, top: string): Promise<void> {
    try {
      const last = path.dirname(this.#pathOf(`${top}/-`))
      for (let folder = path.dirname(this.#checkedPath(file)); ; folder = path.dirname(folder)) {
        if (folder !== last && !folder.startsWith(last + path.sep)) return
        await rmdir(folder)
      }
    } catch {
      // In use again, or gone already. An empty folder does no harm.
    }
  }

  isMissing(location: string): boolean {
    const canonical = canonicalFile(location)
    if (canonical === undefined || fs.existsSync(nativePath(canonical))) return false
    if (this.#isGone) throw new StorageError('unavailable', `Can't read ${location}: the folder of the warehouse is gone`)
    return true
  }

  async close(): Promise<void> {}
}

async function readWhole(fd: number, location: string, maxBytes: number): Promise<Buffer> {
  const stat = fs.fstatSync(fd)
  if (!stat.isFile()) throw new StorageError('invalid', `Not a file: ${location}`)
  if (stat.size > maxBytes) throw new StorageError('too-large', `${location} has ${stat.size} bytes, more than ${maxBytes}`)
  const buffer = Buffer.allocUnsafeSlow(stat.size)
  let at = 0
  while (at < buffer.length) {
    const { bytesRead } = await read(fd, buffer, at, buffer.length - at, at)
    if (bytesRead === 0) break
    at += bytesRead
  }
  return at === buffer.length ? buffer : buffer.subarray(0, at)
}

/** Depth first, one open folder a level; links are neither followed nor listed. */
async function* walk(folder: string, location: string): AsyncGenerator<StoredObject> {
  for await (const entry of await opendir(folder)) {
    const [child, childLocation] = [path.join(folder, entry.name), `${location}/${entry.name}`]
    try {
      if (entry.isDirectory()) yield* walk(child, childLocation)
      else if (entry.isFile()) yield { location: childLocation, sizeBytes: fs.lstatSync(child).size }
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }
}

/**
 * With the checksum that Hadoop's file system, and so the clients that run on Java, keeps beside each file on a local disk. It
 * goes first: a deletion that was cut off there finds the file again.
 */
async function removeFile(file: string): Promise<void> {
  const checksum = path.join(path.dirname(file), `.${path.basename(file)}.crc`)
  // No file is kept for a checksum that can't go, or whose name would be too long.
  await unlink(checksum).catch(() => {})
  await unlink(file)
}

/** Removes a folder and those in it where no file is left. */
async function removeEmptyFolders(folder: string): Promise<void> {
  if (!fs.lstatSync(folder).isDirectory()) return
  for await (const entry of await opendir(folder)) {
    if (entry.isDirectory()) await removeEmptyFolders(path.join(folder, entry.name))
  }
  try {
    fs.rmdirSync(folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'].includes(codeOf(error))) throw error
  }
}

/** Opens the store of one root folder, which is made on first use when it is not there. It may itself be a link. */
export function openFileStore(root: Location): ObjectStore {
  return new FileStore(root)
}

const root = (settings: Readonly<Record<string, string>>): Location =>
  canonicalLocation(settings['path'] ?? '', { schemes: ['file'], barePath: true })

export const fileKind: StorageKind = {
  name: 'file',
  types: ['local', 'file', 'filesystem'],
  schemes: ['file'],
  keys: { path: { aliases: ['root', 'location', 'warehouse', 'local.path', 'file.path'], required: true } },
  strategies: {},
  rootLocation: root,
  clientConfig: () => ({}),
  open: (settings) => openFileStore(root(settings)),
  advise: (fault, settings) => fileAdvice(fault, root(settings)),
}
