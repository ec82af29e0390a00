/** Tables: list, create, load. Commits are in `commits/`, the rest of a table's life in `register`, `rename` and `drop`. */
import { change } from '../changes/change.ts'
import { checkName } from '../iceberg/identifier.ts'
import { displayIdentifier, IcebergError } from '../iceberg/errors.ts'
import { newTableMetadata } from '../iceberg/create-table.ts'
import { acceptLocation } from '../iceberg/location.ts'
import { joinParts, type JsonParts } from '../iceberg/json-parts.ts'
import { serializeTableMetadata } from '../iceberg/table-metadata.ts'
import { namesWithin } from '../access/decide.ts'
import { placeCheck } from './places/areas.ts'
import { assertMayTouch, boundsNow, guardCreation, resolveEntry, resolveNamespace } from './authorize.ts'
import { storeTask } from './background.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, PageRequest, TableIdentifier } from './call.ts'
import { answerAgain, flip, stage, stageMade } from './commits/commit.ts'
import type { Staged } from './commits/commit.ts'
import { makeUpLocation } from './places/default-locations.ts'
import { answerOf, answerOnce } from './documents/documents.ts'
import { tableToCreate, type Identity } from './commits/format-work.ts'
import { createLarge, creationOf, type Creation } from './commits/large-commit.ts'
import { identityOfTable } from './documents/large-documents.ts'
import { assertReachable, storageFailure } from './documents/metadata-files.ts'
import type { AnswerOptions } from './documents/documents.ts'
import { assertNameFree, assertSameCatalog, namespacePath } from './entries.ts'
import type { EntryKind } from './entries.ts'
import { assertLocationFree, checkedLocation, groundOf, locationLane } from './places/locations.ts'
import type { Claim } from './places/locations.ts'
import { takePlaces } from './places/places.ts'
import type { Beside } from './places/places.ts'
import { homeOf } from './places/namespace-locations.ts'
import { listNames } from './page-token.ts'
import { orGone } from './past.ts'
import { mapped } from '../stores/pages.ts'
import type { Mutation } from '../stores/store.ts'
import type { CreateTableRequest, ListTablesResponse } from './shapes.ts'
import { behind, soon, type Soon } from './soon.ts'
import { answerWithCredentials, landedWithCredentials, stagedWithCredentials } from './delegation/vending.ts'

/** `snapshots`: all of them, or those that a branch or tag names; `ifNoneMatch`: the header as it came. */
export type LoadTableOptions = AnswerOptions

/** What of a kind is in a namespace and may be seen, in order of names. */
export function listEntries(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  kind: EntryKind,
  page: PageRequest,
): Soon<ListTablesResponse> {
  const { tenantId, id, branch } = call.catalog
  const exists = resolveNamespace(context, call, namespace, `${kind}.list`)
  const where = { tenant_id: tenantId, catalog_id: id, branch, namespace: namespacePath(namespace), kind }
  const listing = () =>
    soon(boundsNow(context, call), (within) =>
      listNames(context, call, page, {
        name: [kind, ...namespace],
        kind,
        entity: 'entries',
        index: 'by_kind',
        where,
        by: 'name',
        among: namesWithin(within, namespace, 'entries'),
      }),
    )
  const named = (page: readonly string[]) => page.map((name) => ({ namespace, name }))
  return soon(exists instanceof Promise ? behind(exists, listing) : listing(), ({ rows, rest, next }) => ({
    identifiers: named(rows),
    'next-page-token': next,
    ...(rest && { rest: mapped(rest, named) }),
  }))
}

export const listTables = (
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  page: PageRequest,
): Soon<ListTablesResponse> => listEntries(context, call, namespace, 'table', page)

/** At once where the store answers at once and the document is at hand: the way that is gone most. */
export function loadTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: LoadTableOptions = {},
): Soon<MetadataAnswer> {
  return soon(resolveEntry(context, call, identifier, 'table'), (row) =>
    orGone(context, call.catalog, identifier, row, () => answerWithCredentials(context, call, identifier, row, options)),
  )
}

/** Something when it exists, and in the past can still be read. @throws IcebergError 404 when not */
export const tableExists = (context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Soon<unknown> =>
  soon(resolveEntry(context, call, identifier, 'table'), (row) => orGone(context, call.catalog, identifier, row, () => row))

export interface NewPlace {
  readonly identifier: TableIdentifier
  readonly kind: EntryKind
  /** By the client; else the server makes one up. */
  readonly requested: string | undefined
  readonly uuid: string
}

/** Where something new goes, as metadata will spell it. @throws IcebergError when its name or place is taken */
export async function placeNew(
  context: CatalogContext,
  call: CatalogCall,
  { identifier, kind, requested, uuid }: NewPlace,
): Promise<{ readonly location: string; readonly claim: Claim }> {
  const { catalog } = call
  // Before the caller learns what lies there.
  if (requested !== undefined) {
    const place = placeCheck(context, call, { identifier, locations: [] })
    place.check(requested, 'location')
    await place.settled()
  }
  const [ground, home] = await Promise.all([
    groundOf(context, catalog),
    homeOf(context, catalog, identifier.namespace),
    assertNameFree(context, catalog, identifier, kind),
  ])
  if (requested === undefined) {
    const { location, own, steps } = await makeUpLocation(context, catalog, { identifier, home, uuid })
    return { location, claim: { ground, own, steps } }
  }
  const location = acceptLocation(requested).spelling
  await assertLocationFree(context, catalog, checkedLocation(catalog, location))
  return { location, claim: { ground, own: false } }
}

interface NewMetadata {
  readonly metadata: Identity
  readonly claim: Claim
  readonly beside: Beside | undefined
  readonly json: () => JsonParts
  readonly stage: () => Staged
}

async function newTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  creation: Creation<CreateTableRequest>,
): Promise<NewMetadata> {
  const uuid = context.uuid()
  const { request, location: requested } = creation
  const { location, claim } = await placeNew(context, call, { identifier, kind: 'table', requested, uuid })
  const places = placeCheck(context, call, { identifier, locations: requested === undefined ? [location] : [] })
  const entry = { identifier, kind: 'table', row: undefined } as const
  if (request === undefined) {
    const { metadata, made } = await createLarge(context, call, 'table', creation.json, { places, uuid, location })
    const beside = await takePlaces(context, call.catalog, metadata, { ground: claim.ground })
    const stage = (): Staged => stageMade(context, call.catalog, entry, metadata, made, 0)
    return { metadata, claim, beside, json: () => [made.body.subarray(made.start, made.end)], stage }
  }
  const given = { uuid, location, now: context.now(), limits: context.limits, checkLocation: places.check }
  const metadata = newTableMetadata(tableToCreate(request, given))
  await places.settled()
  const beside = await takePlaces(context, call.catalog, metadata, { ground: claim.ground })
  const json = (): JsonParts => serializeTableMetadata(metadata)
  return { metadata, claim, beside, json, stage: () => stage(context, call.catalog, entry, metadata, json) }
}

/** A transaction that has staged a table may stay open for long. */
const STAGED_MS = 86_400_000

/**
 * The folders of a staged table, for a client that makes none itself. The creation may never be committed, so before they are made a
 * task is stored that removes those that are still empty after `STAGED_MS`.
 */
const makesFolders = ({ catalog, makesNoFolders }: CatalogCall): boolean =>
  catalog.storage.removeEmptyFolders !== undefined && makesNoFolders === true

async function stagedSteps(
  context: CatalogContext,
  call: CatalogCall,
  location: string,
): Promise<readonly Mutation[] | undefined> {
  if (makesFolders(call)) {
    const payload = { location: checkedLocation(call.catalog, location) }
    return [storeTask(context, call, 'remove-folders', payload, { dueInMs: STAGED_MS })]
  }
  // A client that makes folders would make those above, too, where a disk is not mounted.
  if (call.catalog.storage.removeEmptyFolders !== undefined) await assertReachable(call.catalog, location)
  return undefined
}

async function makeFolders(call: CatalogCall, location: string): Promise<void> {
  if (!makesFolders(call)) return
  try {
    await call.catalog.storage.prepare(location)
  } catch (error) {
    throw storageFailure(error, location)
  }
}

/**
 * No log tells of it: nothing is stored but what a repetition of the request is to be told (the same uuid and place), and the task.
 * The answer has no ETag.
 */
function stageTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  creation: Creation<CreateTableRequest>,
): Promise<MetadataAnswer> {
  const plain = (json: string): MetadataAnswer => answerOnce(null, [json], call.catalog.clientConfig)
  return change<MetadataAnswer>(context, call, {
    what: displayIdentifier(identifier),
    log: call.catalog,
    attempt: async () => {
      const { metadata, json: parts } = await newTable(context, call, identifier, creation)
      const steps = await stagedSteps(context, call, metadata.location)
      const json = joinParts(parts()).toString()
      const answer = async (): Promise<MetadataAnswer> => {
        await makeFolders(call, metadata.location)
        return stagedWithCredentials(context, call, identifier, metadata, plain(json))
      }
      const decided = { status: 200, outcome: json, answer }
      return steps === undefined ? decided : { ...decided, steps }
    },
    replay: async (json) => {
      const metadata = await identityOfTable(context, call.catalog, Buffer.from(json as string))
      // The request before may have failed at them.
      await makeFolders(call, metadata.location)
      try {
        return await stagedWithCredentials(context, call, identifier, metadata, plain(json as string))
      } catch (error) {
        // The place is taken by now, perhaps by the very table that was staged.
        if (error instanceof IcebergError && error.code === 400) return plain(json as string)
        throw error
      }
    },
  })
}

/** Also stages a creation (`stage-create`). */
export async function createTable(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  /** As bytes, where it is large. */
  request: CreateTableRequest | Uint8Array,
): Promise<MetadataAnswer> {
  const creation = await creationOf(context, call, 'table', request)
  const identifier = { namespace, name: creation.name }
  await assertMayTouch(context, call, 'table.create', identifier)
  checkName(creation.name, 'Table name')
  if (creation.isStaged) return stageTable(context, call, identifier, creation)
  const created = createEntry(context, call, identifier, 'table', creation.location, async () => {
    const { claim, beside, stage } = await newTable(context, call, identifier, creation)
    return { ...stage(), claim, beside }
  })
  return landedWithCredentials(context, call, identifier, created)
}

/** Creates a table or view; `plan` makes its metadata anew for each attempt. */
export function createEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  requested: string | undefined,
  plan: () => Promise<Staged>,
): Promise<MetadataAnswer> {
  return change(context, call, {
    what: displayIdentifier(identifier),
    log: call.catalog,
    lanes: requested === undefined ? [] : [locationLane(call.catalog)],
    attempt: async () => {
      const guard = await guardCreation(context, call, `${kind}.create`, identifier)
      const staged = await plan()
      const flipped = flip(context, call, [staged], {
        message: `Create ${staged.kind} ${displayIdentifier(identifier)}`,
        status: 200,
        outcome: staged.file,
        answer: () => answerOf(staged.document),
      })
      return flipped && { ...flipped, steps: [...flipped.steps, ...guard] }
    },
    lost: () => assertSameCatalog(context, call.catalog),
    replay: (location) => answerAgain(context, call, identifier, kind, location as string),
  })
}
