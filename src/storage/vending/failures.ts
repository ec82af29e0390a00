/** Failures of token endpoints and stores, in the words of those who asked for credentials. */
import { StorageError } from '../storage.ts'
import { VendingError } from './vending.ts'

/** `what`: what did not come about. */
export function vendingError(what: string, error: unknown): VendingError {
  if (error instanceof VendingError) return error
  const problem = error instanceof StorageError ? error : undefined
  const kind = problem !== undefined && problem.kind !== 'unavailable' ? 'refused' : 'unavailable'
  return new VendingError(kind, `${what}: ${problem?.message ?? 'failed'}`, error)
}
