/**
 * One change as one batch: the idempotency record, the rows, the row in the log. The log row is also the proof of an outcome that
 * got lost on the way back: it has an id of its own, so reading it tells whether this very batch landed.
 */
import { commitStateUnknown, unavailable } from '../iceberg/errors.ts'
import type { Json, Key } from '../stores/entities.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation, Version } from '../stores/store.ts'
import type { ChangeCall, ChangeContext, LogScope } from './context.ts'
import type { OutcomeRecord } from './idempotency.ts'

/** One thing that changed, for programs. */
export interface Operation {
  readonly [key: string]: Json
}

interface Unsaid {
  readonly steps: readonly Mutation[]
  readonly status: number
  readonly outcome: Json
  readonly landed?: ((versions: readonly (Version | undefined)[]) => void) | undefined
}

interface Batch extends Unsaid {
  readonly message: string
  readonly operations: readonly Operation[]
}

/** `lost`: an expectation did not hold (that of the step at this position, where it is one of the change's own). */
export type BatchEnd =
  | { readonly end: 'landed' }
  | { readonly end: 'lost'; readonly step: number | undefined }
  /** Nothing changed, and looking again is not for this request. */
  | { readonly end: 'refused'; readonly error: Error }

const MOST_OF_USER_AGENT = 200
const READ_BACK_DELAYS_MS = [0, 20, 100, 400, 1000]

/** The step that puts a change into a log, under a key with an id of its own. */
export const logStep = (
  context: Pick<ChangeContext, 'now'>,
  key: Key<'commits'>,
  call: Pick<ChangeCall, 'principal' | 'origin'>,
  { message, operations }: Pick<Batch, 'message' | 'operations'>,
): Mutation => ({
  op: 'insert',
  entity: 'commits',
  row: {
    ...key,
    timestamp_ms: context.now(),
    author: call.principal.name,
    message,
    operations,
    origin: originOf(call),
    position: null,
    arrival: null,
  },
})

/** As a row of the log has it; what is not known is left out. */
interface LoggedOrigin {
  readonly principal_id: string
  readonly token_id?: string
  readonly address?: string
  readonly user_agent?: string
  readonly request_id?: string
}

function originOf({ principal, origin = {} }: Pick<ChangeCall, 'principal' | 'origin'>): Json {
  const { address, userAgent, requestId } = origin
  const logged: LoggedOrigin = {
    principal_id: principal.id,
    ...(principal.tokenId !== undefined && { token_id: principal.tokenId }),
    ...(address !== undefined && { address }),
    ...(userAgent !== undefined && { user_agent: userAgent.slice(0, MOST_OF_USER_AGENT).toWellFormed() }),
    ...(requestId !== undefined && { request_id: requestId }),
  }
  return { ...logged }
}

/** @throws IcebergError 500 CommitStateUnknown */
export function writeBatch(
  context: ChangeContext,
  call: Pick<ChangeCall, 'principal' | 'origin'>,
  { tenantId, id, branch }: LogScope,
  record: OutcomeRecord,
  batch: Batch,
): Promise<BatchEnd> {
  const key = { tenant_id: tenantId, catalog_id: id, branch, id: context.uuidV7() }
  return send(context, record, batch, {
    line: [logStep(context, key, call, batch)],
    unknown: async (error) => {
      await confirm(context, key, error)
      return LANDED
    },
  })
}

/** Without a line in a log: what becomes of an answer that got lost only the record tells, and where there is none, nothing does. */
export const writeUnlogged = (context: ChangeContext, record: OutcomeRecord, batch: Unsaid): Promise<BatchEnd> =>
  send(context, record, batch, { line: [], unknown: async () => ({ end: 'lost', step: undefined }) })

const LANDED = { end: 'landed' } as const

interface Telling {
  /** Behind the batch's own steps. */
  readonly line: readonly Mutation[]
  readonly unknown: (error: StoreError) => Promise<BatchEnd>
}

async function send(context: ChangeContext, record: OutcomeRecord, batch: Unsaid, { line, unknown }: Telling): Promise<BatchEnd> {
  const first = record.steps(batch.status, batch.outcome)
  try {
    const versions = await context.store.write([...first, ...batch.steps, ...line])
    batch.landed?.(versions.slice(first.length, first.length + batch.steps.length))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    if (error.kind === 'unavailable') {
      return { end: 'refused', error: unavailable('The catalog store is not available; nothing was changed', { cause: error }) }
    }
    if (error.kind === 'conflict') {
      const step = error.step === undefined ? undefined : error.step - first.length
      return step !== undefined && step < 0 ? { end: 'refused', error: record.repeated() } : { end: 'lost', step }
    }
    const end = await unknown(error)
    if (end.end !== 'landed') return end
  }
  record.landed()
  if (line.length > 0) context.changed()
  if (batch.steps.some((step) => step.op === 'insert' && step.entity === 'tasks')) context.taskStored()
  return LANDED
}

/** Resolves when the log says that the batch landed. */
async function confirm(context: ChangeContext, key: Key<'commits'>, cause: StoreError): Promise<void> {
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
