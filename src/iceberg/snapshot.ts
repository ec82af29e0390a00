/**
 * Snapshots, the references (branches and tags) that name them, and the two logs of a table: shapes and the checks that a
 * document's own content allows. What a snapshot may be next to the rest of a table is the business of `updates/`.
 */
import Type, { type Static } from 'typebox'
import { Int32, Int64, NaturalInt64, readShape, short, StringMap } from './document.ts'
import { badRequest, type IcebergError } from './errors.ts'
import type { Long } from './long.ts'

/** As metadata files hold it. Old writers left out much, and what is in a file already is not argued with. */
export const SnapshotShape = Type.Object({
  'snapshot-id': Int64,
  'parent-snapshot-id': Type.Optional(Int64),
  'sequence-number': Type.Optional(NaturalInt64),
  'timestamp-ms': Int64,
  'manifest-list': Type.Optional(Type.String()),
  manifests: Type.Optional(Type.Array(Type.String())),
  summary: Type.Optional(StringMap),
  'schema-id': Type.Optional(Int32),
  'first-row-id': Type.Optional(NaturalInt64),
  'added-rows': Type.Optional(NaturalInt64),
  'key-id': Type.Optional(Type.String()),
})
export const SnapshotReferenceShape = Type.Object({
  'snapshot-id': Int64,
  type: Type.String(),
  'min-snapshots-to-keep': Type.Optional(Int32),
  'max-snapshot-age-ms': Type.Optional(Int64),
  'max-ref-age-ms': Type.Optional(Int64),
})
export const SnapshotLogEntryShape = Type.Object({ 'timestamp-ms': Int64, 'snapshot-id': Int64 })
export const MetadataLogEntryShape = Type.Object({ 'timestamp-ms': Int64, 'metadata-file': Type.String() })

/** Fields that we do not know are kept. A missing `sequence-number` means 0, as in format version 1. */
export interface Snapshot extends Readonly<Static<typeof SnapshotShape>> {
  readonly [unknownField: string]: unknown
}
export interface SnapshotReference extends Readonly<Static<typeof SnapshotReferenceShape>> {
  readonly type: 'branch' | 'tag'
  readonly [unknownField: string]: unknown
}
export interface SnapshotLogEntry extends Readonly<Static<typeof SnapshotLogEntryShape>> {
  readonly [unknownField: string]: unknown
}
export interface MetadataLogEntry extends Readonly<Static<typeof MetadataLogEntryShape>> {
  readonly [unknownField: string]: unknown
}

export const MAIN_BRANCH = 'main'

export function sequenceNumber(snapshot: Snapshot): Long {
  return snapshot['sequence-number'] ?? 0
}

/** A sequence number of 0 is left out: readers of version 1 do not know the field. */
export function normalSnapshot(snapshot: Snapshot): Snapshot {
  if (snapshot['sequence-number'] !== 0) return snapshot
  const { 'sequence-number': _zero, ...rest } = snapshot
  return rest as Snapshot
}

/**
 * A reference with its type in lower case. Tags keep one snapshot, so they have no use for the settings of a branch's
 * history; no age or count may be zero or less.
 */
export function readReference(
  json: unknown,
  what: string,
  fail: (message: string) => IcebergError = badRequest,
): SnapshotReference {
  const ref = readShape(SnapshotReferenceShape, json, what, fail)
  const type = ref.type.toLowerCase()
  if (type !== 'branch' && type !== 'tag') throw fail(`Invalid ${what}: type must be branch or tag, got ${short(ref.type)}`)
  return ref.type === type ? (ref as SnapshotReference) : { ...ref, type }
}

const RETENTION = ['min-snapshots-to-keep', 'max-snapshot-age-ms', 'max-ref-age-ms'] as const

/** The rules for a reference that a client asks for. */
export function checkReference(name: string, ref: SnapshotReference): void {
  checkReferenceName(name)
  checkRetention(name, ref)
  if (ref.type === 'tag' && name === MAIN_BRANCH) throw badRequest(`Cannot set ${MAIN_BRANCH} to a tag, it must be a branch`)
}

/** What a reference says about how long it and its snapshots are kept. */
export function checkRetention(name: string, ref: SnapshotReference): void {
  for (const key of RETENTION) {
    const value = ref[key]
    if (value !== undefined && value <= 0)
      throw badRequest(`Invalid reference ${short(name)}: ${key} must be positive, got ${value}`)
  }
  if (ref.type === 'branch') return
  for (const key of ['min-snapshots-to-keep', 'max-snapshot-age-ms'] as const) {
    if (ref[key] !== undefined) throw badRequest(`Invalid reference ${short(name)}: a tag has no ${key}`)
  }
}

const MAX_NAME_LENGTH = 255

function checkReferenceName(name: string): void {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
    throw badRequest(`Invalid reference name: expected 1 to ${MAX_NAME_LENGTH} characters, got ${name.length}`)
  }
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) throw badRequest('Invalid reference name: control characters are not allowed')
}
