/**
 * The thread that writes to SQLite. It takes all batches that wait, carries them out in one transaction, each so that it
 * can fail alone, and commits once: the disk is waited for once per group. Only then are requests answered, those too whose
 * batch failed, since it may have failed because of a neighbour that is not yet committed.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { connectSqlite, endsTransaction, errorCode, isUniqueViolation, notCommitted } from './sqlite-connection.ts'
import type { Definition, FlatBatch, Outcome, WriterOptions, WriterRequest } from './sqlite-writer-thread.ts'
import type { Expectation } from './statements.ts'

interface Prepared {
  readonly statement: StatementSync
  readonly parameters: number
  readonly expects: Expectation
}

/** A connection with what is prepared on it. */
interface Session {
  readonly connection: DatabaseSync
  readonly begin: StatementSync
  readonly commit: StatementSync
  readonly rollback: StatementSync
  readonly savepoint: StatementSync
  readonly release: StatementSync
  readonly takeBack: StatementSync
  /** By statement id. */
  readonly prepared: Prepared[]
}

const DONE = -1

class Writer {
  readonly #options: WriterOptions
  readonly #definitions: Definition[] = []
  #session: Session | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  define(definitions: readonly Definition[]): void {
    for (const definition of definitions) this.#definitions[definition[0]] = definition
  }

  run(batches: readonly FlatBatch[]): Outcome[] {
    let committing = false
    try {
      this.#session ??= openSession(this.#options)
      const session = this.#session
      session.begin.run()
      const outcomes = batches.map((batch) => this.#runBatch(session, batch))
      committing = true
      session.commit.run()
      return outcomes
    } catch (error) {
      this.#abandon()
      const outcome = failure(committing && !notCommitted(error) ? 'unknown' : 'unavailable', error)
      return batches.map(() => outcome)
    }
  }

  close(): void {
    this.#session?.connection.close()
    this.#session = undefined
  }

  /** Ends a transaction that can't go on. A connection that can't even do that is replaced. */
  #abandon(): void {
    try {
      if (this.#session?.connection.isTransaction === true) this.#session.rollback.run()
    } catch {
      this.close()
    }
  }

  /** @throws what SQLite throws, when the whole transaction is lost by it */
  #runBatch(session: Session, batch: FlatBatch): Outcome {
    let hasSavepoint = false
    const takeBack = (): void => {
      if (!hasSavepoint) return
      session.takeBack.run()
      session.release.run()
    }
    try {
      for (let at = 0, step = 0; at < batch.length; step++) {
        const prepared = this.#prepare(session, batch[at] as number)
        const end = at + 1 + prepared.parameters
        // A savepoint costs two statements. A batch whose only write comes last never has anything to take back.
        if (!hasSavepoint && prepared.expects === 'written' && end < batch.length) {
          session.savepoint.run()
          hasSavepoint = true
        }
        if (!holds(prepared, batch.slice(at + 1, end) as (string | number | null)[])) {
          takeBack()
          return step
        }
        at = end
      }
    } catch (error) {
      if (endsTransaction(error) || !session.connection.isTransaction) throw error
      takeBack()
      return failure('unavailable', error)
    }
    if (hasSavepoint) session.release.run()
    return DONE
  }

  #prepare(session: Session, id: number): Prepared {
    const known = session.prepared[id]
    if (known !== undefined) return known
    const [, sql, parameters, expects] = this.#definitions[id] as Definition
    const prepared = { statement: session.connection.prepare(sql), parameters, expects }
    session.prepared[id] = prepared
    return prepared
  }
}

function openSession({ path, busyTimeoutMs }: WriterOptions): Session {
  const connection = connectSqlite(path, busyTimeoutMs)
  return {
    connection,
    begin: connection.prepare('begin immediate'),
    commit: connection.prepare('commit'),
    rollback: connection.prepare('rollback'),
    savepoint: connection.prepare('savepoint batch'),
    release: connection.prepare('release batch'),
    takeBack: connection.prepare('rollback to batch'),
    prepared: [],
  }
}

function holds({ statement, expects }: Prepared, parameters: readonly (string | number | null)[]): boolean {
  if (expects !== 'written') return (statement.get(...parameters) !== undefined) === (expects === 'found')
  try {
    return Number(statement.run(...parameters).changes) === 1
  } catch (error) {
    if (isUniqueViolation(error)) return false
    throw error
  }
}

function failure(kind: 'unavailable' | 'unknown', error: unknown): Outcome {
  const code = errorCode(error)
  return {
    kind,
    message: `SQLite: ${error instanceof Error ? error.message : String(error)}${code === undefined ? '' : ` (${code})`}`,
  }
}

const port = parentPort
if (port === null) throw new Error('The SQLite writer runs as a worker thread')
const writer = new Writer(workerData as WriterOptions)

port.on('message', (first: WriterRequest | 'close') => {
  const batches: FlatBatch[] = []
  let closing = false
  for (let message: WriterRequest | 'close' | undefined = first; message !== undefined;) {
    if (message === 'close') {
      closing = true
    } else {
      writer.define(message.definitions)
      for (const batch of message.batches) batches.push(batch as FlatBatch)
    }
    message = (receiveMessageOnPort(port) as { message: WriterRequest | 'close' } | undefined)?.message
  }
  if (batches.length > 0) port.postMessage(writer.run(batches))
  if (closing) {
    writer.close()
    port.close()
  }
})
