/**
 * The object store contract. Locations are absolute URIs as `iceberg/location.ts` makes them; a store is opened for one
 * warehouse and refuses locations outside what it serves. One file implements one kind of storage.
 */

export interface StoredObject {
  readonly location: string
  readonly sizeBytes: number
}

export interface ObjectStore {
  /** @throws StorageError `missing`; `too-large` when the object has more than `maxBytes` */
  read(location: string, options: { readonly maxBytes: number }): Promise<Buffer>
  /**
   * Writes a new object, durable before it resolves. A reader that learns of the location only then sees the object whole; a call
   * that was cut off (a crash) may leave a part of it, at a location that no caller was told.
   * @throws StorageError `exists` when the location is taken: objects are never overwritten
   */
  create(location: string, bytes: Uint8Array): Promise<void>
  /**
   * Deletes what is there; what is not there is not an error. A location with a slash at its end means a folder, which goes
   * together with those in it, as far as they are empty.
   */
  delete(locations: readonly string[]): Promise<void>
  /**
   * All objects whose location begins with the slash-terminated `prefix`. `pageSize`: how many a request to the storage asks
   * for, for callers who want no more than the first ones; the storage's own number when absent.
   */
  list(prefix: string, options?: { readonly pageSize?: number }): AsyncIterable<StoredObject>
  /** Makes what a client needs to write below a table's location (folders on a local disk; nothing on object stores). */
  prepare(tableLocation: string): Promise<void>
  /**
   * Removes the folder of a file that is gone again, and those above it up to `top`, as long as they are empty: only where
   * there are folders. One that something else has just begun to use, or that can't be removed, stays.
   */
  readonly removeEmptyFolders?: (file: string, top: string) => Promise<void>
  /**
   * Whether an object that was there is gone: only where that takes microseconds and no waiting (a local disk).
   * @throws StorageError `unavailable` when the disk is
   */
  readonly isMissing?: (location: string) => boolean
  close(): Promise<void>
}

export type StorageErrorKind = 'missing' | 'exists' | 'too-large' | 'forbidden' | 'invalid' | 'unavailable'

/** What an object store throws, and nothing else. The message names the location and never a secret. */
export class StorageError extends Error {
  readonly kind: StorageErrorKind
  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StorageError'
    this.kind = kind
  }
}
