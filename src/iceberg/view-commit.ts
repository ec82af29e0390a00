/**
 * One commit to a view: requirements, updates, and what is kept of the view's history. Versions are never changed, only
 * added; an equal one is used again.
 */
import { highest, sameJson, short } from './document.ts'
import { badRequest, validationFailed } from './errors.ts'
import { checkSchema, type Schema } from './schema.ts'
import { writtenSchema } from './schema-form.ts'
import { SchemaHistory } from './schema-history.ts'
import { withoutTrailingSlash } from './table-metadata.ts'
import { checkProperties, checkPropertyCount, type CheckLocation } from './table-properties.ts'
import { checkViewRequirements, type ViewRequirement } from './table-requirement.ts'
import { canonicalUuid, isUuid } from './uuid.ts'
import { keptHistory, keptVersions, checkDialectsKept } from './view-history.ts'
import {
  checkViewFormatVersion,
  checkViewInvariants,
  currentVersion,
  VIEW_SCHEMA_FORMAT_VERSION,
  type ViewHistoryEntry,
  type ViewMetadata,
} from './view-metadata.ts'
import type { ViewUpdate } from './view-update.ts'
import { checkViewVersion, type ViewVersion } from './view-version.ts'

export interface ViewCommit {
  readonly requirements: readonly ViewRequirement[]
  readonly updates: readonly ViewUpdate[]
}
export interface ViewCommitOptions {
  readonly now: number
  readonly checkLocation?: CheckLocation | undefined
}
export interface ViewCommitted {
  readonly metadata: ViewMetadata
  /** False when the result equals the base: nothing needs to be written. */
  readonly changed: boolean
}

/** A view while updates are applied to it. */
export interface ViewDraft {
  readonly base: ViewMetadata | undefined
  readonly now: number
  readonly checkLocation: CheckLocation | undefined
  uuid: string | undefined
  location: string | undefined
  readonly schemas: Map<number, Schema>
  /** Of `schemas`, once they were asked for. */
  schemaHistory: SchemaHistory | undefined
  readonly versions: Map<number, ViewVersion>
  /** Absent before the first version of a new view is made current. */
  currentVersionId: number | undefined
  readonly properties: Map<string, string>
  /** The last one that became current; earlier ones of the same commit were never seen. */
  historyEntry: ViewHistoryEntry | undefined
  lastAddedSchemaId: number | undefined
  lastAddedVersionId: number | undefined
  readonly addedVersionIds: Set<number>
}

export function openViewDraft(base: ViewMetadata | undefined, options: ViewCommitOptions): ViewDraft {
  return {
    base,
    now: options.now,
    checkLocation: options.checkLocation,
    uuid: base?.['view-uuid'],
    location: base?.location,
    schemas: new Map((base?.schemas ?? []).map((schema) => [schema['schema-id'] as number, schema])),
    schemaHistory: undefined,
    versions: new Map((base?.versions ?? []).map((version) => [version['version-id'], version])),
    currentVersionId: base?.['current-version-id'],
    properties: new Map(Object.entries(base?.properties ?? {})),
    historyEntry: undefined,
    lastAddedSchemaId: undefined,
    lastAddedVersionId: undefined,
    addedVersionIds: new Set(),
  }
}

/** @throws IcebergError 409 when a requirement does not hold; 400 for what can never succeed */
export function commitView(base: ViewMetadata, commit: ViewCommit, options: ViewCommitOptions): ViewCommitted {
  checkViewRequirements(commit.requirements, base)
  const draft = openViewDraft(base, options)
  for (const update of commit.updates) applyViewUpdate(draft, update)
  // Asked before the history is cut to size: a commit without effect must not cut what an earlier one kept.
  if (isUntouched(draft, base)) return { metadata: base, changed: false }
  const metadata = closeViewDraft(draft)
  return sameJson(metadata, base) ? { metadata: base, changed: false } : { metadata, changed: true }
}

export function applyViewUpdate(draft: ViewDraft, update: ViewUpdate): void {
  switch (update.action) {
    case 'assign-uuid':
      return assignUuid(draft, update.uuid)
    case 'upgrade-format-version':
      return checkViewFormatVersion(update['format-version'])
    case 'add-schema':
      return addSchema(draft, update.schema)
    case 'set-location':
      return setLocation(draft, update.location)
    case 'set-properties':
      return setProperties(draft, update.updates)
    case 'remove-properties':
      for (const key of update.removals) draft.properties.delete(key)
      return
    case 'add-view-version':
      return addViewVersion(draft, update['view-version'])
    case 'set-current-view-version':
      return setCurrentViewVersion(draft, update['view-version-id'])
  }
}

function isUntouched(draft: ViewDraft, base: ViewMetadata): boolean {
  return (
    draft.addedVersionIds.size === 0 &&
    draft.historyEntry === undefined &&
    draft.uuid === base['view-uuid'] &&
    draft.location === base.location &&
    draft.schemas.size === base.schemas.length &&
    sameJson(Object.fromEntries(draft.properties), base.properties)
  )
}

function assignUuid(draft: ViewDraft, uuid: string): void {
  if (!isUuid(uuid)) throw badRequest(`Invalid uuid: ${short(uuid)}`)
  if (draft.uuid !== undefined && draft.uuid !== canonicalUuid(uuid)) throw badRequest('Cannot reassign uuid')
  draft.uuid = canonicalUuid(uuid)
}

function setLocation(draft: ViewDraft, sent: string): void {
  const location = withoutTrailingSlash(sent)
  if (location === '') throw badRequest('Invalid location: must not be empty')
  if (location === draft.location) return
  draft.checkLocation?.(location, 'location of the view')
  draft.location = location
}

function setProperties(draft: ViewDraft, updates: Readonly<Record<string, string>>): void {
  const entries = Object.entries(updates).filter(([key, value]) => draft.properties.get(key) !== value)
  checkProperties(Object.fromEntries(entries), draft.checkLocation)
  for (const [key, value] of entries) draft.properties.set(key, value)
  checkPropertyCount(draft.properties.size)
}

function addSchema(draft: ViewDraft, sent: unknown): void {
  checkSchema(sent, VIEW_SCHEMA_FORMAT_VERSION)
  const schema = writtenSchema(sent)
  const history = (draft.schemaHistory ??= new SchemaHistory(draft.schemas.values()))
  const existing = history.same(schema)
  const id = existing?.['schema-id'] ?? highest(draft.schemas.keys(), -1) + 1
  draft.lastAddedSchemaId = id
  if (existing !== undefined) return
  const added = { ...schema, 'schema-id': id }
  draft.schemas.set(id, added)
  history.add(added)
}

/** Whether two versions answer queries alike; who made them when does not matter. */
function sameVersion(a: ViewVersion, b: ViewVersion): boolean {
  const behaviour = ({ 'version-id': _id, 'timestamp-ms': _time, ...rest }: ViewVersion) => rest
  return sameJson(behaviour(a), behaviour(b))
}

function addViewVersion(draft: ViewDraft, sent: ViewVersion): void {
  const schemaId = sent['schema-id'] === -1 ? draft.lastAddedSchemaId : sent['schema-id']
  if (schemaId === undefined) throw validationFailed('Cannot set last added schema: no schema has been added')
  if (!draft.schemas.has(schemaId)) throw badRequest(`Cannot add version with unknown schema: ${schemaId}`)
  const version: ViewVersion = { ...sent, 'schema-id': schemaId }
  checkViewVersion(version)
  const existing = [...draft.versions.values()].find((known) => sameVersion(known, version))
  // An id that is free is kept, as long as ids keep growing.
  const id = existing?.['version-id'] ?? Math.max(version['version-id'], highest(draft.versions.keys(), 0) + 1)
  if (existing === undefined) {
    draft.versions.set(id, { ...version, 'version-id': id })
    draft.addedVersionIds.add(id)
  }
  draft.lastAddedVersionId = id
}

function setCurrentViewVersion(draft: ViewDraft, asked: number): void {
  const id = asked === -1 ? draft.lastAddedVersionId : asked
  if (id === undefined) throw validationFailed('Cannot set last version id: no current version id has been set')
  const version = draft.versions.get(id)
  if (version === undefined) throw badRequest(`Cannot set current version to unknown version: ${id}`)
  if (draft.currentVersionId === id) return
  draft.currentVersionId = id
  const added = draft.addedVersionIds.has(id)
  draft.historyEntry = { 'timestamp-ms': added ? version['timestamp-ms'] : draft.now, 'version-id': id }
}

/** The draft as metadata, judged and with its history cut to size. */
export function closeViewDraft(draft: ViewDraft): ViewMetadata {
  const { base, uuid, location, currentVersionId } = draft
  if (uuid === undefined) throw badRequest('Invalid view: uuid is required')
  if (location === undefined) throw badRequest('Invalid location: null')
  if (draft.versions.size === 0) throw badRequest('Invalid view: no versions were added')
  if (currentVersionId === undefined) throw badRequest('Invalid view: no version was made current')
  const properties = Object.fromEntries(draft.properties)
  const current = draft.versions.get(currentVersionId) as ViewVersion
  if (base !== undefined) checkDialectsKept(currentVersion(base), current, properties)
  const versions = keptVersions([...draft.versions.values()], current, draft.addedVersionIds, properties)
  const log = [...(base?.['version-log'] ?? []), ...(draft.historyEntry === undefined ? [] : [draft.historyEntry])]
  const metadata: ViewMetadata = {
    ...base,
    'view-uuid': uuid,
    'format-version': base?.['format-version'] ?? 1,
    location,
    schemas: [...draft.schemas.values()],
    'current-version-id': currentVersionId,
    versions,
    'version-log': versions.length < draft.versions.size ? keptHistory(log, versions) : log,
    properties,
  }
  checkViewInvariants(metadata)
  return metadata
}
