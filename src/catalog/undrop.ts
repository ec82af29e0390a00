/**
 * Brings back what was dropped: its last row is written again, under its name or another one, with its id. All that could have
 * happened meanwhile is looked at as for a new thing: its name, its namespace, its place, its files.
 */
import { change, type Attempt } from '../changes/change.ts'
import { isAllowed } from '../access/decide.ts'
import { displayIdentifier, displayNamespace, IcebergError } from '../iceberg/errors.ts'
import { checkName } from '../iceberg/identifier.ts'
import { canonicalLocation } from '../iceberg/location.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { assertMayTouch, assertMayTouchNamespace } from './authorize.ts'
import type { CatalogCall, CatalogContext, Namespace, TableIdentifier } from './call.ts'
import { placedOf, readView } from './documents/documents.ts'
import { forget, goneOf, placeOf, purgeOf, shownDropped, type Dropped } from './dropped.ts'
import { assertNameFree, assertNamespace, assertSameCatalog, entryKey, namespaceKey, insertEntry } from './entries.ts'
import { assertLocationFree, checkedLocation, claimSteps, groundOf, locationLane } from './places/locations.ts'
import { assertMetadataFileKept } from './places/deletions.ts'
import { assertPresent } from './documents/metadata-files.ts'
import { entryOperation, namespaceOperation } from './logged.ts'
import { undroppedNamespace } from './namespaces.ts'
import { placeSteps, takePlaces } from './places/places.ts'

export interface UndropRequest {
  readonly id: string
  /** Its own, where none is given; of a namespace: those around it. */
  readonly namespace?: Namespace | undefined
  readonly name?: string | undefined
}

const RULES = { table: 'table.create', view: 'view.create', namespace: 'namespace.create' } as const

const noSuchDropped = (id: string): IcebergError =>
  new IcebergError(
    'NotFoundException',
    `Nothing that was dropped and can come back has the id ${id.slice(0, 100).toWellFormed()}`,
  )

interface Found {
  readonly row: Row<'dropped'>
  readonly purge: Row<'tasks'> | undefined
}

/**
 * @throws IcebergError 404 also for what the principal may not create, and for what was kept long enough; 409 when it is being
 * purged
 */
async function findDropped(context: CatalogContext, call: CatalogCall, id: string): Promise<Found> {
  const { tenantId: tenant_id, id: catalog_id, name: catalog } = call.catalog
  const row = await context.store.get('dropped', { tenant_id, catalog_id, id })
  if (row === undefined) throw noSuchDropped(id)
  const { kind, namespace, name } = shownDropped(row, undefined)
  const about = kind === 'namespace' ? { namespace: [...namespace, name] } : { namespace, name }
  if (!isAllowed(call.principal, RULES[kind], { tenantId: tenant_id, catalog, ...about })) throw noSuchDropped(id)
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
      const back =
        gone.kind === 'namespace'
          ? await backNamespace(context, call, [...place.namespace, place.name], gone.row)
          : await backEntry(context, call, place, gone.row, purge?.id)
      return {
        ...back,
        // Of this and the server that takes the task the one comes to pass.
        steps: [...back.steps, forget(row), ...(purge === undefined ? [] : [withoutPurge(purge)])],
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

type Back = Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>

/** @throws IcebergError the same as a 409 */
const inTheWay = (error: unknown): never => {
  if (!(error instanceof IcebergError) || error.code === 409 || error.code === 503 || error.code === 429) throw error
  throw new IcebergError('ConflictException', `It can't come back: ${error.message}`, { cause: error })
}

async function backEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: NewRow<'entries'>,
  ownPurge: string | undefined,
): Promise<Back> {
  const { catalog } = call
  const kind = row.kind as 'table' | 'view'
  assertMayTouch(call, `${kind}.create`, identifier)
  checkName(identifier.name, kind === 'table' ? 'Table name' : 'View name')
  // Refuses a namespace of no or unusable levels, before what is in the way is looked for.
  namespaceKey(catalog, identifier.namespace)
  const next = { ...row, ...entryKey(catalog, identifier), updated_at: context.now() }
  const steps = await takeBack(context, call, identifier, next, ownPurge).catch(inTheWay)
  return {
    message: `Undrop ${kind} ${displayIdentifier(identifier)}`,
    operations: [entryOperation(`undrop-${kind}`, { identifier, before: undefined, after: row })],
    steps,
  }
}

async function takeBack(
  context: CatalogContext,
  { catalog }: CatalogCall,
  identifier: TableIdentifier,
  row: NewRow<'entries'>,
  ownPurge: string | undefined,
): Promise<Mutation[]> {
  const kind = row.kind as 'table' | 'view'
  const [ground] = await Promise.all([
    groundOf(context, catalog),
    assertNamespace(context, catalog, identifier.namespace),
    assertNameFree(context, catalog, identifier, kind),
  ])
  await assertLocationFree(context, catalog, checkedLocation(catalog, row.location), { ownPurge })
  await assertMetadataFileKept(context, catalog, canonicalLocation(row.metadata_location))
  await assertPresent(catalog, row.metadata_location)
  const metadata = await (kind === 'table' ? placedOf(context, catalog, row) : readView(context, catalog, row))
  const beside = await takePlaces(context, catalog, metadata, { id: row.id, ground, ownPurge })
  return [
    ...(claimSteps([{ ground, own: false }]) ?? []),
    ...insertEntry(catalog, identifier.namespace, row),
    ...placeSteps(row, beside),
  ]
}

async function backNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  row: NewRow<'namespaces'>,
): Promise<Back> {
  assertMayTouchNamespace(call, 'namespace.create', namespace)
  const steps = await undroppedNamespace(context, call, namespace, row).catch(inTheWay)
  return {
    message: `Undrop namespace ${displayNamespace(namespace)}`,
    operations: [namespaceOperation('undrop-namespace', namespace, row, { before: null, after: row.properties })],
    steps,
  }
}
