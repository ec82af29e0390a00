/** Errors on their way from a thread that works on metadata to the one that asked. */
import { IcebergError, type ErrorType } from '../../iceberg/errors.ts'
import { MetadataFault } from '../../iceberg/metadata-check.ts'

export interface Failure {
  /** Absent for what is a fault of ours. */
  readonly type: ErrorType | undefined
  readonly message: string
  readonly stack: string | undefined
  /** A `MetadataFault`. */
  readonly isFault: boolean
}

export function failureOf(error: unknown): Failure {
  if (error instanceof IcebergError) return { type: error.type, message: error.message, stack: undefined, isFault: false }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return { type: undefined, message, stack, isFault: error instanceof MetadataFault }
}

export function errorOf({ type, message, stack, isFault }: Failure): Error {
  if (type !== undefined) return new IcebergError(type, message)
  if (isFault) return new MetadataFault(message)
  return Object.assign(new Error(message), { stack })
}
