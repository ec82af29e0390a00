/** From locations to the keys of one bucket or container, for what lies below the root of a store and for nothing else. */
import { bucketAndKey, canonicalFile, canonicalLocation, isBelow, schemeOf, type Location } from '../iceberg/location.ts'
import { StorageError } from './storage.ts'

/** @throws StorageError `forbidden` */
export function keyBelow(root: Location, location: string): string {
  const canonical = canonicalFile(location)
  if (canonical === undefined || !isBelow(root, canonical)) {
    throw new StorageError('forbidden', `Location is not below ${root}: ${location}`)
  }
  return bucketAndKey(canonical).key
}

/** For what is to be deleted: a slash at its end says that a folder is meant, and stays. @throws StorageError `forbidden` */
export function keyOrFolderBelow(root: Location, location: string): string {
  return location.endsWith('/') ? `${keyBelow(root, location.slice(0, -1))}/` : keyBelow(root, location)
}

/** The prefix of keys that a listing asks for, with its slash. @throws StorageError `forbidden` */
export function prefixBelow(root: Location, prefix: string): string {
  const base = canonicalLocation(prefix, { schemes: [schemeOf(root)] })
  if (base !== root && !isBelow(root, base)) {
    throw new StorageError('forbidden', `Location is not below ${root}: ${prefix}`)
  }
  const { key } = bucketAndKey(base)
  return key === '' ? '' : `${key}/`
}
