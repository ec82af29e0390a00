/**
 * Requests with an Idempotency-Key take effect once. The record of a success is a step of the batch that makes the change,
 * so there is no moment at which one exists without the other; a terminal 4xx changed nothing and is recorded afterwards;
 * a 5xx never is. A key belongs to the fingerprint (principal, method, path, body) that used it first.
 */
import { IcebergError, badRequest } from '../iceberg/errors.ts'
import type { ErrorType } from '../iceberg/errors.ts'
import type { Json, Row } from '../stores/entities.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation } from '../stores/store.ts'
import type { ChangeCall, ChangeContext } from './context.ts'
import { isUuidV7 } from './uuid.ts'

const LIFETIME_MINUTES = 30
/** Clocks differ and requests travel: a key is remembered a little longer than promised. */
const GRACE_MINUTES = 5
export const IDEMPOTENCY_KEY_LIFETIME = `PT${LIFETIME_MINUTES}M`

export interface OutcomeRecord {
  /** The first steps of the batch that makes the change. */
  steps(status: number, outcome: Json): Mutation[]
  /** The batch with those steps was written. */
  landed(): void
  /** What to throw when those steps are in conflict: another process was faster with the same key. */
  repeated(): Error
}

export interface Success<T> {
  readonly answer: T
  readonly status: number
  readonly outcome: Json
}

export interface IdempotentRequest<T> {
  /** Does the work. `outcome` of its result is recorded, unless `record` has gone into a batch already. */
  readonly run: (record: OutcomeRecord) => Promise<Success<T>>
  /** The answer to a repetition, made of the recorded outcome. */
  readonly replay: (outcome: Json) => Promise<T>
}

/** Another process carried out the same request; never seen outside of this room. */
class RepeatedRequest extends Error {}

const UNRECORDED: OutcomeRecord = {
  steps: () => [],
  landed: () => {},
  repeated: () => new TypeError('a request without an Idempotency-Key has no record'),
}

export async function idempotent<T>(
  context: ChangeContext,
  call: ChangeCall,
  tenantId: string,
  request: IdempotentRequest<T>,
): Promise<T> {
  const { idempotency } = call
  if (idempotency === undefined) return (await request.run(UNRECORDED)).answer
  if (!isUuidV7(idempotency.key)) throw badRequest('Invalid Idempotency-Key: expected a UUID of version 7 in its text form')
  // One spelling: hexadecimal digits compare without case.
  const key = { tenant_id: tenantId, idempotency_key: idempotency.key.toLowerCase() }
  const { fingerprint } = idempotency
  return context.queue.run([`idempotency\n${key.tenant_id}\n${key.idempotency_key}`], async () => {
    for (;;) {
      const known = await context.store.get('idempotency', key)
      if (known !== undefined && known.expires_at > context.now()) return replay(known, fingerprint, request)
      try {
        return await runRecorded(context, { ...key, fingerprint }, known, request)
      } catch (error) {
        // Another process has the key now, or swept an expired record away: look again.
        if (!(error instanceof RepeatedRequest)) throw error
      }
    }
  })
}

async function runRecorded<T>(
  context: ChangeContext,
  key: { readonly tenant_id: string; readonly idempotency_key: string; readonly fingerprint: string },
  expired: Row<'idempotency'> | undefined,
  request: IdempotentRequest<T>,
): Promise<T> {
  let stored = false
  const expires_at = context.now() + (LIFETIME_MINUTES + GRACE_MINUTES) * 60_000
  const steps = (status: number, outcome: Json): Mutation[] => {
    const row = { ...key, status, outcome, expires_at }
    return expired === undefined
      ? [{ op: 'insert', entity: 'idempotency', row }]
      : [{ op: 'replace', entity: 'idempotency', row, expected: expired.version }]
  }
  const record: OutcomeRecord = { steps, landed: () => void (stored = true), repeated: () => new RepeatedRequest() }
  try {
    const success = await request.run(record)
    if (!stored) await remember(context, steps(success.status, success.outcome))
    return success.answer
  } catch (error) {
    if (error instanceof IcebergError && isTerminal(error.code)) {
      await remember(context, steps(error.code, { type: error.type, message: error.message }))
    }
    throw error
  }
}

/** Deterministic refusals. Who may ask (401, 403) and when to ask again (408, 429) change without the request changing. */
const isTerminal = (code: number): boolean => code >= 400 && code < 500 && ![401, 403, 408, 429].includes(code)

/** For outcomes without a change: losing the record loses nothing, since doing the work again gives the same. */
async function remember(context: ChangeContext, steps: readonly Mutation[]): Promise<void> {
  try {
    await context.store.write(steps)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    context.log('idempotency-record-lost', { kind: error.kind })
  }
}

async function replay<T>(row: Row<'idempotency'>, fingerprint: string, request: IdempotentRequest<T>): Promise<T> {
  if (row.fingerprint !== fingerprint) {
    throw new IcebergError('UnprocessableEntityException', 'The Idempotency-Key was used before, for another request')
  }
  if (row.status < 400) return request.replay(row.outcome)
  const { type, message } = row.outcome as { type: ErrorType; message: string }
  throw new IcebergError(type, message)
}
