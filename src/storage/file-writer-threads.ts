/**
 * The calling thread's end of the threads that make files and folders. Through Node's own pool every system call would be a
 * trip there and back, each of which costs this thread, that does all else, as much as the one message here. Threads start
 * when there is work for them, and are few: they wait for one disk.
 */
import type { Worker } from 'node:worker_threads'
import { FEW_YOUNG_OBJECTS, startThread } from '../threads.ts'

/** A file and what it is to say; a folder, without. The root is a path without links. */
export type FileRequest = readonly [root: string, path: string, bytes?: Uint8Array]
/** The code of the system's error. */
export type FileResponse = string | undefined

interface Pending {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface FileThread {
  readonly worker: Worker
  /** Sent, in order, and not answered. */
  readonly sent: Pending[]
}

const MAX_THREADS = 4
const threads = new Set<FileThread>()

/**
 * Durable when it resolves; folders above it that are missing are made.
 * @throws Error with a `code`: `EEXIST`, `ENOSPC`, ..., or OUTSIDE when links lead out of the root
 */
export const createFile = (root: string, file: string, bytes: Uint8Array): Promise<void> => send([root, file, bytes])

/** Durable when it resolves, as are those above it. Nothing is done about one that is there already. */
export const makeFolder = (root: string, folder: string): Promise<void> => send([root, folder])

function send(request: FileRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const { worker, sent } = leastBusy()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.postMessage(request)
    // A thread with nothing to do does not keep the process alive.
    if (sent.length === 0) worker.ref()
    sent.push({ resolve, reject })
  })
}

function leastBusy(): FileThread {
  let best: FileThread | undefined
  for (const thread of threads) if (best === undefined || thread.sent.length < best.sent.length) best = thread
  return best === undefined || (best.sent.length > 0 && threads.size < MAX_THREADS) ? start() : best
}

function start(): FileThread {
  const sent: Pending[] = []
  const worker = startThread<FileResponse>(import.meta.url, 'file-writer', {
    resourceLimits: FEW_YOUNG_OBJECTS,
    onMessage: (code) => {
      const pending = sent.shift()
      if (sent.length === 0) worker.unref()
      if (code === undefined) pending?.resolve()
      else pending?.reject(Object.assign(new Error(code), { code }))
    },
    onLost: (cause) => {
      threads.delete(thread)
      for (const { reject } of sent) reject(new Error('The thread that writes files was lost', { cause }))
    },
  })
  const thread: FileThread = { worker, sent }
  threads.add(thread)
  return thread
}
