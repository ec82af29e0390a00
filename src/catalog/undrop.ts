/**
 * Brings back what was dropped: its last row is written again, under its name or another one, with its id. All that could have
 * happened meanwhile is looked at as for a new thing: its name, its namespace, its place, its files.
 */
import { change, type Attempt } from '../changes/change.ts'
import { conflict, displayIdentifier, displayNamespace, IcebergError } from '../iceberg/errors.ts'
import { checkName, namespaceOfKey } from '../iceberg/identifier.ts'
import { canonicalLocation } from '../iceberg/location.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { guardCreation, guardNewNamespace, mayTouch, mayTouchNamespace } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, Namespace, TableIdentifier } from './call.ts'
import { placedOf, readView } from './documents/documents.ts'
import { droppedWith, forget, goneOf, placeOf, purgeOf, shownDropped, type Dropped, type Gone } from './dropped.ts'
import {
  assertNameFree,
  assertNamespace,
  assertSameCatalog,
  entryKey,
  namespaceKey,
  namespacePath,
  insertEntry,
  requireCatalog,
} from './entries.ts'
import { assertLocationFree, checkedLocation, claimSteps, groundOf, locationLane, type Claim } from './places/locations.ts'
import { assertMetadataFileKept } from './places/deletions.ts'
import { assertPresent } from './documents/metadata-files.ts'
import { entryOperation, namespaceOperation } from './logged.ts'
import { undroppedNamespace } from './namespaces.ts'
import { placeSteps, takePlaces, type Beside } from './places/places.ts'
import type { Soon } from './soon.ts'

export interface UndropRequest {
  readonly id: string
  /** Its own, where none is given; of a namespace: those around it. */
  readonly namespace?: Namespace | undefined
  readonly name?: string | undefined
  /** Of a namespace: with what went with it, unless this is false. */
  readonly content?: boolean | undefined
}

const noSuchDropped = (id: string): IcebergError =>
  new IcebergError(
    'NotFoundException',
    `Nothing that was dropped and can come back has the id ${id.slice(0, 100).toWellFormed()}`,
  )

interface Found {
  readonly row: Row<'dropped'>
  readonly purge: Row<'tasks'> | undefined
}

/** Under its own name; what it gets another one for is asked about that, too. */
function mayBringBack(context: CatalogContext, call: CatalogCall, gone: Gone): Soon<boolean> {
  const { namespace, name } = placeOf(gone)
  if (gone.kind === 'namespace') return mayTouchNamespace(context, call, 'namespace.create', [...namespace, name], gone.row)
  return mayTouch(context, call, `${gone.kind}.create`, { namespace, name }, gone.row)
}

/**
 * @throws IcebergError 404 also for what the principal may not create, and for what was kept long enough; 409 when it is being
 * purged
 */
async function findDropped(context: CatalogContext, call: CatalogCall, id: string): Promise<Found> {
  const { tenantId: tenant_id, id: catalog_id } = call.catalog
  const row = await context.store.get('dropped', { tenant_id, catalog_id, id })
  if (row === undefined) throw noSuchDropped(id)
  if (!(await mayBringBack(context, call, goneOf(row)))) throw noSuchDropped(id)
  const purge = await purgeOf(context, row)
  if (row.kept_until <= context.now()) throw noSuchDropped(id)
  return { row, purge }
}

/** @throws IcebergError 404, 409 that names what is in the way */
export async function undrop(context: CatalogContext, call: CatalogCall, request: UndropRequest): Promise<Dropped> {
  const { catalog } = call
  return change<Dropped>(context, call, {
    what: `what was dropped as ${request.id}`,
    log: catalog,
    lanes: [locationLane(catalog)],
    attempt: async () => {
      const { row, purge } = await findDropped(context, call, request.id)
      const gone = goneOf(row)
      const own = placeOf(gone)
      const place = { namespace: request.namespace ?? own.namespace, name: request.name ?? own.name }
      const answer = { ...shownDropped(row, undefined), ...place }
      const parts = gone.kind === 'namespace' && request.content !== false ? await droppedWith(context, row) : []
      const { claim, ...back } =
        gone.kind === 'namespace'
          ? { ...(await backTree(context, call, [...place.namespace, place.name], gone.row, parts)), claim: undefined }
          : await backEntry(context, call, place, gone.row, purge)
      const claims = claim && claimSteps([claim])
      return {
        ...back,
        steps: [...(claims ?? []), ...back.steps, forget(row)],
        status: 200,
        outcome: answer as unknown as Json,
        answer: () => answer,
      }
    },
    lost: () => assertSameCatalog(context, catalog),
    replay: (outcome) => outcome as unknown as Dropped,
  })
}

const withoutPurge = ({ id, version }: Row<'tasks'>): Mutation => ({
  op: 'remove',
  entity: 'tasks',
  key: { id },
  expected: version,
})

export type Back = Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>
type Parts = Omit<Back, 'message'>

/** @throws IcebergError the same as a 409 */
const inTheWay = (error: unknown): never => {
  if (!(error instanceof IcebergError) || error.code === 409 || error.code === 503 || error.code === 429) throw error
  throw conflict(`It can't come back: ${error.message}`, { cause: error })
}

/** `claim` is of its place, which the batch has to take. `purge`: the one that waits for it, and does not come to pass. */
export async function backEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: NewRow<'entries'>,
  purge?: Row<'tasks'>,
): Promise<Back & { readonly claim: Claim }> {
  const { catalog } = call
  const kind = row.kind as 'table' | 'view'
  const isOwn = identifier.name === row.name && namespacePath(identifier.namespace) === row.namespace
  const guard = await guardCreation(context, call, `${kind}.create`, identifier, isOwn ? row : null)
  checkName(identifier.name, kind === 'table' ? 'Table name' : 'View name')
  // Refuses a namespace of no or unusable levels, before what is in the way is looked for.
  namespaceKey(catalog, identifier.namespace)
  const next = { ...row, ...entryKey(catalog, identifier), updated_at: context.now() }
  const { steps, claim } = await takeBack(context, call, identifier, next, purge?.id).catch(inTheWay)
  return {
    claim,
    message: `Undrop ${kind} ${displayIdentifier(identifier)}`,
    operations: [entryOperation(`undrop-${kind}`, { identifier, before: undefined, after: row })],
    // Of this and the server that takes the task the one comes to pass.
    steps: [...steps, ...guard, ...(purge === undefined ? [] : [withoutPurge(purge)])],
  }
}

async function takeBack(
  context: CatalogContext,
  { catalog }: CatalogCall,
  identifier: TableIdentifier,
  row: NewRow<'entries'>,
  ownPurge: string | undefined,
): Promise<{ readonly steps: Mutation[]; readonly claim: Claim }> {
  const [ground] = await Promise.all([
    groundOf(context, catalog),
    assertNamespace(context, catalog, identifier.namespace),
    assertNameFree(context, catalog, identifier, row.kind as 'table' | 'view'),
  ])
  const beside = await placesBack(context, catalog, row, { ground, ownPurge })
  const steps = [...insertEntry(catalog, identifier.namespace, row), ...placeSteps(row, beside)]
  return { steps, claim: { ground, own: false } }
}

/** @throws IcebergError 400 for a place that is taken, and for a metadata file that is gone */
async function placesBack(
  context: CatalogContext,
  catalog: CatalogHandle,
  row: NewRow<'entries'>,
  { ground, ownPurge }: { readonly ground: Claim['ground']; readonly ownPurge?: string | undefined },
): Promise<Beside | undefined> {
  await assertLocationFree(context, catalog, checkedLocation(catalog, row.location), { ownPurge })
  await assertMetadataFileKept(context, catalog, canonicalLocation(row.metadata_location))
  await assertPresent(catalog, row.metadata_location)
  const metadata = await (row.kind === 'table' ? placedOf(context, catalog, row) : readView(context, catalog, row))
  return takePlaces(context, catalog, metadata, { id: row.id, ground, ownPurge })
}

export async function backNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  row: NewRow<'namespaces'>,
  isParentBack = false,
): Promise<Back> {
  const isOwn = namespacePath(namespace) === namespacePath([...namespaceOfKey(row.parent), row.name])
  // Of what comes back around it, the right to all that is in it is asked for.
  const guard = isParentBack ? [] : await guardNewNamespace(context, call, namespace, isOwn ? row : null)
  const steps = await undroppedNamespace(context, call, namespace, row, isParentBack).catch(inTheWay)
  return {
    message: `Undrop namespace ${displayNamespace(namespace)}`,
    operations: [namespaceOperation('undrop-namespace', namespace, row, { before: null, after: row.properties })],
    steps: [...steps, ...guard],
  }
}

const AT_ONCE = 16

/**
 * A namespace with what went with it, all at once, under names that are as they were from the namespace on. What has lost its own
 * namespace, which came back by itself and elsewhere, is left.
 */
export async function backTree(
  context: CatalogContext,
  call: CatalogCall,
  top: Namespace,
  row: NewRow<'namespaces'>,
  parts: readonly Row<'dropped'>[],
): Promise<Back> {
  const whole = await backNamespace(context, call, top, row)
  if (parts.length === 0) return whole
  const own = placeOf({ kind: 'namespace', row })
  const outer = own.namespace.length + 1
  const known = new Set([namespacePath([...own.namespace, own.name])])
  const backs: Parts[] = [whole]
  const entries: { readonly identifier: TableIdentifier; readonly row: NewRow<'entries'> }[] = []
  const forgotten: Mutation[] = []
  for (const part of parts) {
    const gone = goneOf(part)
    const { namespace, name } = placeOf(gone)
    if (!known.has(namespacePath(namespace))) continue
    forgotten.push(forget(part))
    const around = [...top, ...namespace.slice(outer)]
    if (gone.kind !== 'namespace') entries.push({ identifier: { namespace: around, name }, row: gone.row })
    else {
      known.add(namespacePath([...namespace, name]))
      backs.push(await backNamespace(context, call, [...around, name], gone.row, true))
    }
  }
  if (entries.length > 0) backs.push(await backEntries(context, call, entries))
  return {
    message: `${whole.message} with what was in it`,
    operations: backs.flatMap(({ operations }) => operations),
    steps: [...backs.flatMap(({ steps }) => steps), ...forgotten],
  }
}

/** Of namespaces that come back in the same batch, so that their names are free. */
async function backEntries(
  context: CatalogContext,
  call: CatalogCall,
  entries: readonly { readonly identifier: TableIdentifier; readonly row: NewRow<'entries'> }[],
): Promise<Parts> {
  const { catalog } = call
  const ground = await groundOf(context, catalog)
  const steps: Mutation[] = [...(claimSteps([{ ground, own: false }]) ?? []), requireCatalog(catalog)]
  for (let from = 0; from < entries.length; from += AT_ONCE) {
    const some = entries.slice(from, from + AT_ONCE).map(async ({ identifier, row }) => {
      const next = { ...row, ...entryKey(catalog, identifier), updated_at: context.now() }
      const beside = await placesBack(context, catalog, next, { ground }).catch(notBack(identifier))
      return [{ op: 'insert', entity: 'entries', row: next } as const, ...placeSteps(next, beside)]
    })
    steps.push(...(await Promise.all(some)).flat())
  }
  const operations = entries.map(({ identifier, row }) =>
    entryOperation(`undrop-${row.kind}`, { identifier, before: undefined, after: row }),
  )
  return { operations, steps }
}

/** @throws IcebergError the same as a 409 that says what can't come back */
const notBack =
  (identifier: TableIdentifier) =>
  (error: unknown): never => {
    if (!(error instanceof IcebergError) || error.code === 503 || error.code === 429) throw error
    const hint = 'with "content": false the namespace comes back alone'
    throw conflict(`${displayIdentifier(identifier)} can't come back: ${error.message} (${hint})`, { cause: error })
  }
