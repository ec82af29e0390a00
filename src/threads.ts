/** Threads of our own beside the one that serves requests: for work that waits for a disk, or takes long. */
import { extname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker, type ResourceLimits } from 'node:worker_threads'

export interface ThreadOptions<Message> {
  readonly workerData?: unknown
  readonly resourceLimits?: ResourceLimits
  readonly onMessage: (message: Message) => void
  /** It ended, of whatever `cause`. */
  readonly onLost: (cause: unknown) => void
}

/**
 * For a thread that hands messages on and keeps nothing: with the room for young objects that the thread has that serves
 * requests, each such thread would fill 20 MB with garbage before it looked at it.
 */
export const FEW_YOUNG_OBJECTS: ResourceLimits = { maxYoungGenerationSizeMb: 2 }

/**
 * Starts the program `name` that stands beside the caller, whose `import.meta.url` is `beside`. The thread does not keep the
 * process alive: hold it with `ref` while it owes an answer.
 */
export function startThread<Message>(beside: string, name: string, options: ThreadOptions<Message>): Worker {
  // The sibling file has the ending of the caller: `.ts` from the sources, `.js` when compiled.
  const program = new URL(`./${name}${extname(beside)}`, beside)
  // Flags of the process, such as those that say what its main module is, are not for this thread.
  const { workerData, resourceLimits } = options
  const thread = new Worker(program, { workerData, name, execArgv: [], ...(resourceLimits && { resourceLimits }) })
  thread.on('message', options.onMessage)
  let cause: unknown
  thread.on('error', (error) => (cause = error))
  thread.on('exit', () => options.onLost(cause))
  // At last: a listener for messages holds the process again.
  thread.unref()
  return thread
}

/**
 * For pieces of work that take some milliseconds each: after its promise each piece has a turn of the event loop that it shares
 * with no other piece.
 */
export function createLoopTurns(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return () => (last = last.then(() => turn()))
}

/** Copied in one turn of the event loop: some milliseconds. */
const SLICE_BYTES = 4 * 1024 * 1024

/** Memory that other threads see without a copy. Filled with zeros. */
export const sharedBuffer = (bytes: number): Buffer => Buffer.from(new SharedArrayBuffer(bytes))

/** The same bytes where all threads see them. What is large is copied in slices, between which others get their turn. */
export async function toShared(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const copy = sharedBuffer(bytes.length)
  await copySlices(bytes, copy)
  return copy
}

/** Copies what is large in slices, between which others get their turn. */
export async function copySlices(from: Uint8Array, to: Uint8Array): Promise<void> {
  for (let at = 0; at < from.length; at += SLICE_BYTES) {
    if (at > 0) await turn()
    to.set(from.subarray(at, at + SLICE_BYTES), at)
  }
}
