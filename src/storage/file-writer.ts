/**
 * The thread that makes files and folders which are on disk, with the entry of their folder, before it answers. Each takes
 * several system calls that wait for the disk, made here one after the other. Nothing is made outside the root.
 */
import fs from 'node:fs'
import path from 'node:path'
import { parentPort } from 'node:worker_threads'
import type { FileRequest, FileResponse } from './file-writer-threads.ts'
import { assertInside, codeOf, resolvedAncestor, syncFolder, WINDOWS } from './folders.ts'

const { O_CREAT, O_DIRECTORY = 0, O_DSYNC = 0, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants

/** Makes a folder and those above it; each is durable before the next. */
function makeFolders(folder: string): void {
  try {
    fs.mkdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || path.dirname(folder) === folder) throw error
    makeFolders(path.dirname(folder))
    return makeFolders(folder)
  }
  syncFolder(path.dirname(folder))
}

function makeFolder(root: string, folder: string): void {
  assertInside(root, resolvedAncestor(folder))
  makeFolders(folder)
}

/** A folder that is open: where it is can be asked once and stays true. */
interface OpenFolder {
  readonly fd: number | undefined
  /** Names the folder, wherever links lead meanwhile. */
  readonly path: string
}

function openFolder(root: string, folder: string): OpenFolder {
  if (process.platform !== 'linux') return openByPath(root, folder)
  const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY)
  try {
    const own = `/proc/self/fd/${fd}`
    assertInside(root, fs.readlinkSync(own))
    return { fd, path: own }
  } catch {
    // It may be outside; or there is no /proc, or one that knows other names.
    fs.closeSync(fd)
    return openByPath(root, folder)
  }
}

function openByPath(root: string, folder: string): OpenFolder {
  const resolved = fs.realpathSync.native(folder)
  assertInside(root, resolved)
  return { fd: WINDOWS ? undefined : fs.openSync(resolved, O_RDONLY), path: resolved }
}

function openOrMakeFolder(root: string, folder: string): OpenFolder {
  try {
    return openFolder(root, folder)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    makeFolder(root, folder)
    return openFolder(root, folder)
  }
}

/** Folders that were found or made may be removed as empty before anything is in them. */
const TRIES = 100

function createFile(root: string, file: string, bytes: Uint8Array): void {
  for (let tries = 1; ; tries += 1) {
    try {
      return createFileOnce(root, file, bytes)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || tries === TRIES) throw error
    }
  }
}

function createFileOnce(root: string, file: string, bytes: Uint8Array): void {
  const folder = openOrMakeFolder(root, path.dirname(file))
  try {
    const place = `${folder.path}${path.sep}${path.basename(file)}`
    const fd = fs.openSync(place, O_WRONLY | O_CREAT | O_EXCL | O_DSYNC, 0o644)
    try {
      writeDurably(fd, bytes)
      if (folder.fd !== undefined) fs.fsyncSync(folder.fd)
    } catch (error) {
      // The name is not known to others yet.
      try {
        fs.unlinkSync(place)
      } catch {}
      throw error
    }
  } finally {
    if (folder.fd !== undefined) fs.closeSync(folder.fd)
  }
}

/** To a file that was opened with O_DSYNC, and is closed: each write is on disk when it ends, where the system knows that flag. */
function writeDurably(fd: number, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, at)
    if (O_DSYNC === 0 || process.platform === 'darwin') fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function answer([root, name, bytes]: FileRequest): FileResponse {
  try {
    if (bytes === undefined) makeFolder(root, name)
    else createFile(root, name, bytes)
    return undefined
  } catch (error) {
    return codeOf(error) || 'failed'
  } finally {
    if (bytes !== undefined) letGo(bytes.buffer)
  }
}

/**
 * Gives this thread's copy back at once. The collector would let some 40 MB of them wait in each thread: there are hardly any
 * other objects here that would make it look.
 */
function letGo(copy: ArrayBufferLike): void {
  if (copy instanceof ArrayBuffer) copy.transfer(0)
}

const port = parentPort
if (port === null) throw new Error('Files are written by a worker thread')
port.on('message', (request: FileRequest) => port.postMessage(answer(request)))
