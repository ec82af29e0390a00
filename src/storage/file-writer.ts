/**
 * The thread that makes files and folders which are on disk, with the entry of their folder, before it answers. Each takes
 * several system calls that wait for the disk, made here one after the other.
 */
import fs from 'node:fs'
import path from 'node:path'
import { parentPort } from 'node:worker_threads'
import type { FileRequest, FileResponse } from './file-writer-threads.ts'

const { O_CREAT, O_DSYNC = 0, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants
const WINDOWS = process.platform === 'win32'

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? 'failed'

/** Makes the entries of a folder durable. (Windows can't, and does not need to.) */
function syncFolder(folder: string): void {
  if (WINDOWS) return
  const fd = fs.openSync(folder, O_RDONLY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Makes a folder and those above it; each is durable before the next. */
function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || path.dirname(folder) === folder) throw error
    makeFolder(path.dirname(folder))
    return makeFolder(folder)
  }
  syncFolder(path.dirname(folder))
}

function openNew(file: string): number {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_DSYNC
  try {
    return fs.openSync(file, flags, 0o644)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    makeFolder(path.dirname(file))
    return fs.openSync(file, flags, 0o644)
  }
}

function createFile(file: string, bytes: Uint8Array): void {
  const fd = openNew(file)
  try {
    try {
      // With O_DSYNC each write is on disk when it ends, where the system knows that flag.
      for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, at)
      if (O_DSYNC === 0 || process.platform === 'darwin') fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    syncFolder(path.dirname(file))
  } catch (error) {
    // Nobody knows the name yet.
    try {
      fs.unlinkSync(file)
    } catch {}
    throw error
  }
}

function answer([name, bytes]: FileRequest): FileResponse {
  try {
    if (bytes === undefined) makeFolder(name)
    else createFile(name, bytes)
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

const port = parentPort
if (port === null) throw new Error('Files are written by a worker thread')
port.on('message', (request: FileRequest) => port.postMessage(answer(request)))
