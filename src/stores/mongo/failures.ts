/**
 * What a failure of the driver means: whether a change may have been carried out. Only what certainly was not sent, or was
 * refused by the server before anything happened, counts as not done. Messages never hold what a URL may hold of secrets.
 */
import { StoreError } from '../store.ts'

/** The driver had no connection to send it on. */
const NOT_SENT = new Set([
  'MongoServerSelectionError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
  'MongoWaitQueueTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoClientClosedError',
])
/** Unauthorized, AuthenticationFailed, InvalidOptions, NotWritablePrimary, NotPrimaryNoSecondaryOk, DocumentTooLarge and kin. */
const REFUSED = new Set([2, 9, 13, 14, 18, 20, 26, 59, 66, 72, 73, 115, 10107, 10334, 13435, 17280])

/** Named like the driver's own, since it says the same: what became of it is unknown. */
class MongoTooLate extends Error {
  override readonly name = 'MongoTooLate'
}

/** What the driver does not answer in time is treated as an answer that got lost. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MongoTooLate(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the driver may be unable to find its server again. */
export const hasLostServer = (error: unknown): boolean =>
  error instanceof MongoTooLate || (error instanceof Error && error.name === 'MongoServerSelectionError')

export function translate(error: unknown, isChange: boolean): unknown {
  if (error instanceof StoreError || !(error instanceof Error) || !error.name.startsWith('Mongo')) return error
  const { code, codeName } = error as { code?: unknown; codeName?: unknown }
  const isRefused =
    error.name === 'MongoServerError' && typeof code === 'number' && REFUSED.has(code) && !('writeConcernError' in error)
  const kind = !isChange || isRefused || NOT_SENT.has(error.name) ? 'unavailable' : 'unknown'
  const name = typeof codeName === 'string' ? `${error.name} ${codeName}` : error.name
  return new StoreError(kind, `MongoDB: ${name}: ${withoutSecrets(error.message)}`)
}

export const withoutSecrets = (message: string): string => message.replace(/\/\/[^/\s]*@/g, '//***@')

export const conflict = (step: number): StoreError =>
  new StoreError('conflict', `Step ${step} of the batch does not hold`, { step })
export const tooBusy = (): StoreError => new StoreError('unavailable', 'The rows of the batch are too busy')
export const isLostConnection = (error: unknown): error is StoreError => error instanceof StoreError && error.kind !== 'conflict'
export const nothingChanged = (error: StoreError): StoreError =>
  new StoreError('unavailable', `${error.message}; nothing was changed`, { cause: error })
