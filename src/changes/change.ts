/**
 * The one door for change: no other code of the use cases writes to the store. A use case says on which lanes it waits its turn,
 * and what an attempt comes to: the steps of one batch, what the log says of it and what is answered. The door does the rest:
 * a request with an Idempotency-Key is carried out once, a lost race starts over, an outcome that got lost is read back, and
 * what an attempt made outside of the store is taken back where the batch, for certain, did not land.
 */
import { readOnlyPast } from '../iceberg/errors.ts'
import type { Json } from '../stores/entities.ts'
import type { Mutation, Version } from '../stores/store.ts'
import type { ChangeCall, ChangeContext, LogScope } from './context.ts'
import { idempotent, type OutcomeRecord, type Success } from './idempotency.ts'
import { untilDecided } from './until-decided.ts'
import { writeBatch, writeUnlogged, type BatchEnd, type Operation } from './write.ts'

/** What the caller is told, and what a repetition of the request under its Idempotency-Key is to be told. */
interface Decision<T> {
  readonly status: number
  readonly outcome: Json
  /** Made when the batch has landed. */
  readonly answer: () => T | Promise<T>
}

/** An attempt that found nothing to change. */
export type Unchanged<T> = Decision<T> & { readonly steps?: undefined }

export interface Attempt<T> extends Decision<T> {
  /** What happened, for people. */
  readonly message: string
  /** What happened, for programs: one object each thing that changed. */
  readonly operations: readonly Operation[]
  readonly steps: readonly Mutation[]
  /** Before the batch is written: makes what its rows point to. It cleans up after itself when it fails. */
  readonly prepare?: (() => Promise<void>) | undefined
  /** What else must hold, asked when the batch is about to be written. */
  readonly late?: (() => readonly Mutation[]) | undefined
  /** The batch did not land: takes back what `prepare` made. */
  readonly undo?: (() => Promise<void>) | undefined
  /** Told the versions of the rows that `steps` wrote, unless that answer got lost. */
  readonly landed?: ((versions: readonly (Version | undefined)[]) => void) | undefined
}

/**
 * An attempt whose rows are nothing that a log tells of, such as the task that clears away what a request may leave behind. Without a
 * line an outcome that got lost can't be read back: the attempt is made once more, so two of its batches must do no harm.
 */
export type Unlogged<T> = Decision<T> & { readonly steps: readonly Mutation[]; readonly message?: undefined }

export interface ChangeRequest<T> {
  /** What is changed, for people. */
  readonly what: string
  readonly log: LogScope
  /** Names in the queue. */
  readonly lanes?: readonly string[]
  /**
   * Reads, checks and decides; `undefined` when it lost a race while it read.
   * @throws IcebergError the refusal
   */
  readonly attempt: () => Promise<Attempt<T> | Unlogged<T> | Unchanged<T> | undefined>
  /**
   * After a batch whose expectations did not hold, before the next attempt: says why where that is certain already.
   * @throws IcebergError the refusal
   */
  readonly lost?: ((step: number | undefined) => Promise<void>) | undefined
  /** The answer to a repetition, made of the recorded outcome. */
  readonly replay: (outcome: Json) => T | Promise<T>
}

/** @throws IcebergError the attempt's refusal; 429 after too many lost races, 503: nothing changed; 500 CommitStateUnknown */
export function change<T>(context: ChangeContext, call: ChangeCall, request: ChangeRequest<T>): Promise<T> {
  const { what, log, lanes = [], attempt } = request
  if (log.at !== undefined) return Promise.reject(readOnlyPast(log.at))
  return idempotent(context, call, log.tenantId, {
    run: (record) =>
      context.queue.run(lanes, () =>
        untilDecided(context, what, async () => {
          const decided = await attempt()
          return decided && (await carryOut(context, call, request, record, decided))
        }),
      ),
    replay: async (outcome) => request.replay(outcome),
  })
}

async function carryOut<T>(
  context: ChangeContext,
  call: ChangeCall,
  request: ChangeRequest<T>,
  record: OutcomeRecord,
  decided: Attempt<T> | Unlogged<T> | Unchanged<T>,
): Promise<Success<T> | undefined> {
  const { status, outcome } = decided
  if (decided.steps !== undefined) {
    const batch = await write(context, call, request.log, record, decided)
    if (batch.end === 'refused') throw batch.error
    if (batch.end === 'lost') {
      await request.lost?.(batch.step)
      return undefined
    }
  }
  return { answer: await decided.answer(), status, outcome }
}

async function write<T>(
  context: ChangeContext,
  call: ChangeCall,
  log: LogScope,
  record: OutcomeRecord,
  decided: Attempt<T> | Unlogged<T>,
): Promise<BatchEnd> {
  if (decided.message === undefined) return writeUnlogged(context, record, decided)
  await decided.prepare?.()
  const steps = decided.late === undefined ? decided.steps : [...decided.steps, ...decided.late()]
  const batch = await writeBatch(context, call, log, record, { ...decided, steps })
  // Whatever made it fail: no row names what the attempt made.
  if (batch.end !== 'landed') await decided.undo?.()
  return batch
}
