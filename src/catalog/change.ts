/**
 * One change of a catalog as one batch: the idempotency record, the rows, the row in the catalog's log. The log row is
 * also the proof of an outcome that got lost on the way back: it has an id of its own, so reading it tells whether this
 * very batch landed.
 */
import { IcebergError, commitStateUnknown, unavailable } from '../iceberg/errors.ts'
import type { Principal } from '../access/principal.ts'
import type { Json, Key } from '../stores/entities.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation, Version } from '../stores/store.ts'
import type { CatalogCall, CatalogContext } from './call.ts'
import type { OutcomeRecord } from './idempotency.ts'

export interface Change {
  /** What happened, for people. */
  readonly message: string
  /** What happened, for programs: one object an entry or namespace that changed. */
  readonly operations: readonly { readonly [key: string]: Json }[]
  readonly steps: readonly Mutation[]
  /** What a repetition of the request under its Idempotency-Key is to be told. */
  readonly status: number
  readonly outcome: Json
  /** Told the versions of the rows that `steps` wrote, unless that answer got lost. */
  readonly landed?: (versions: readonly (Version | undefined)[]) => void
}

export type ChangeOutcome = 'done' | 'conflict'

const READ_BACK_DELAYS_MS = [0, 20, 100, 400, 1000]

type LogKey = Key<'commits'>

/** The step that puts a change into the catalog's log, under a key with an id of its own. */
export const logStep = (
  context: CatalogContext,
  key: LogKey,
  { name: author }: Pick<Principal, 'name'>,
  { message, operations }: Pick<Change, 'message' | 'operations'>,
): Mutation => ({
  op: 'insert',
  entity: 'commits',
  row: { ...key, timestamp_ms: context.now(), author, message, operations },
})

/**
 * Writes the change.
 * @returns `conflict` when an expectation did not hold: nothing changed, look again
 * @throws IcebergError 503 nothing changed; 500 CommitStateUnknown; RepeatedRequest when the request was carried out elsewhere
 */
export async function writeChange(
  context: CatalogContext,
  call: CatalogCall,
  record: OutcomeRecord,
  change: Change,
): Promise<ChangeOutcome> {
  const { tenantId, id, branch } = call.catalog
  const key = { tenant_id: tenantId, catalog_id: id, branch, id: context.uuidV7() }
  const first = record.steps(change.status, change.outcome)
  const log = logStep(context, key, call.principal, change)
  try {
    const versions = await context.store.write([...first, ...change.steps, log])
    change.landed?.(versions.slice(first.length, first.length + change.steps.length))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    if (error.kind === 'unavailable') {
      throw unavailable('The catalog store is not available; nothing was changed', { cause: error })
    }
    if (error.kind === 'conflict') {
      if (error.step !== undefined && error.step < first.length) throw record.repeated()
      return 'conflict'
    }
    await confirm(context, key, error)
  }
  record.landed()
  if (change.steps.some((step) => step.op === 'insert' && step.entity === 'tasks')) context.taskStored()
  return 'done'
}

/** Resolves when the log says that the batch landed. */
async function confirm(context: CatalogContext, key: LogKey, cause: StoreError): Promise<void> {
  for (const delay of READ_BACK_DELAYS_MS) {
    if (delay > 0) await context.sleep(delay)
    try {
      if ((await context.store.get('commits', key)) !== undefined) return
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }
  context.log('commit-state-unknown', { commit: key.id, cause: cause.message })
  throw commitStateUnknown('The connection to the catalog store broke during the commit; whether it landed is not known', {
    cause,
  })
}

const MAX_TRIES = 100
const MAX_RACING_MS = 20_000
const MAX_PAUSE_MS = 50

/** Tries again while `attempt` answers `undefined`, which says that it lost a race; bounded, with growing random pauses. */
export async function untilDecided<T>(context: CatalogContext, what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const deadline = context.now() + MAX_RACING_MS
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const decided = await attempt()
    if (decided !== undefined) return decided
    if (context.now() > deadline) break
    // Short: whoever waits long starts behind everybody else, and loses again.
    await context.sleep(context.random() * Math.min(MAX_PAUSE_MS, tries))
  }
  // Not a 409: no requirement failed, and every client may send the same request again.
  throw new IcebergError('TooManyRequestsException', `Too many concurrent changes of ${what}; nothing was changed`, {
    retryAfterSeconds: 1,
  })
}
