/** Threads of our own beside the one that serves requests: for work that waits for a disk. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

export interface ThreadOptions<Message> {
  readonly workerData?: unknown
  readonly onMessage: (message: Message) => void
  /** It ended, of whatever `cause`. */
  readonly onLost: (cause: unknown) => void
}

/**
 * Starts the program `name` that stands beside the caller, whose `import.meta.url` is `beside`. The thread does not keep the
 * process alive: hold it with `ref` while it owes an answer.
 */
export function startThread<Message>(beside: string, name: string, options: ThreadOptions<Message>): Worker {
  // The sibling file has the ending of the caller: `.ts` from the sources, `.js` when compiled.
  const program = new URL(`./${name}${extname(beside)}`, beside)
  // Flags of the process, such as those that say what its main module is, are not for this thread.
  const thread = new Worker(program, { workerData: options.workerData, name, execArgv: [] })
  thread.on('message', options.onMessage)
  let cause: unknown
  thread.on('error', (error) => (cause = error))
  thread.on('exit', () => options.onLost(cause))
  // At last: a listener for messages holds the process again.
  thread.unref()
  return thread
}
