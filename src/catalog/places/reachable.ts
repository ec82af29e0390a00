/**
 * What keeps a file from being deleted. All that deletes files of a warehouse asks here, and deletes no others than it is told: the
 * purge of a table, the clean-up of its old metadata, the removal of folders, and a change that takes back what it wrote.
 *
 * Files are kept by
 * - a table or view of the tenant, in whatever catalog and on whatever branch;
 * - one that was dropped and can still come back (`dropped.ts`), as if it were there;
 * - a place that one of them names for files beside its own location (`places.ts`).
 * What the history alone remembers keeps nothing: it is there for ever, and reading a file of the past that is gone says so (`past.ts`).
 *
 * The other way round, that nothing comes to lead to a file while it is being deleted, is the business of `deletions.ts`.
 */
import { canonicalFile, isBelow, liesWithin, selfAndAbove, type Location } from '../../iceberg/location.ts'
import type { Row } from '../../stores/entities.ts'
import { pagesOf } from '../../stores/pages.ts'
import type { CatalogContext } from '../call.ts'
import { goneOf } from '../dropped.ts'

export type ReachContext = Pick<CatalogContext, 'store' | 'now'>

/** The table or view whose files are to be deleted. */
export type Owner =
  /** Dropped, or never made. `purge`: the task at work, since what was kept until that began does not come back. */
  | { readonly is: 'gone'; readonly purge?: string; readonly uuid?: string | null }
  /** There, and has no use for the files by itself. `named` tells what a metadata file leads to, itself not; undefined where it can't. */
  | {
      readonly is: 'there'
      readonly id: string
      readonly named: (metadataFile: string) => Promise<readonly string[] | undefined>
    }
  /** To be made or changed by what wrote the files: metadata whose names nothing was told. */
  | { readonly is: 'to be' }

export interface Doomed {
  readonly tenantId: string
  /** Of the owner: files that lie elsewhere are not told to be deletable, but for new ones. */
  readonly location: Location
  /** A slash at the end means a folder, of which storages delete what is empty. */
  readonly files: readonly string[]
  readonly owner: Owner
}

/** What leads to files. */
export interface Lead {
  readonly kind: 'table' | 'view' | 'place'
  /** Of the table or view. */
  readonly id: string
  /** What its metadata says; null where that was not recorded, and of a place. */
  readonly uuid: string | null
  readonly location: Location
  readonly isDropped: boolean
  /** None of a place. */
  readonly metadataFile: string | undefined
}

export interface Deletable {
  readonly files: readonly string[]
  /** What keeps all of them, also where none were asked about. */
  readonly keptBy: Lead | undefined
}

/** Those of the files that nothing leads to. */
export async function deletable(context: ReachContext, doomed: Doomed): Promise<Deletable> {
  const { owner, location } = doomed
  let files = owner.is === 'to be' ? doomed.files : doomed.files.filter((file) => isWithin(location, file))
  const leads = await leadsTo(context, doomed)
  const own = leads.find((lead) => owner.is === 'there' && isOf(owner, lead) && lead.location === location)
  // Unregistered, or elsewhere by now: another program may have registered it, with its history.
  if (owner.is === 'there' && own === undefined) return { files: [], keptBy: undefined }
  const uuid = (owner.is === 'gone' ? owner.uuid : own?.uuid) ?? null
  for (const lead of leads) {
    const holds = await holdOf(lead, doomed, uuid)
    if (holds === 'all') return { files: [], keptBy: lead }
    files = files.filter((file) => !holds(canonicalOf(file)))
  }
  return { files, keptBy: undefined }
}

const isOf = (owner: Owner, { id, isDropped }: Lead): boolean => owner.is === 'there' && id === owner.id && !isDropped

const canonicalOf = (file: string): Location | undefined => canonicalFile(file.endsWith('/') ? file.slice(0, -1) : file)

function isWithin(location: Location, file: string): boolean {
  const canonical = canonicalOf(file)
  if (canonical === undefined) return false
  return file.endsWith('/') ? liesWithin(location, canonical) : isBelow(location, canonical)
}

type Holds = 'all' | ((file: Location | undefined) => boolean)

/** What of the owner's a lead keeps. In doubt all: a file that stays costs bytes, and one that goes may cost a table. */
async function holdOf(lead: Lead, { location, owner }: Doomed, ownUuid: string | null): Promise<Holds> {
  if (lead.kind === 'place') return (file) => file === undefined || liesWithin(lead.location, file)
  const pointer = canonicalFile(lead.metadataFile ?? '')
  if (pointer === undefined) return 'all'
  if (owner.is === 'to be') return (file) => file === pointer
  if (lead.location !== location || !(isOf(owner, lead) || lead.isDropped)) return 'all'
  // Tables that are made again and again at one place share no history, and no files.
  if (lead.uuid !== null && ownUuid !== null && lead.uuid !== ownUuid) return (file) => file === undefined || file === pointer
  if (owner.is === 'gone') return 'all'
  const named = await owner.named(pointer)
  if (named === undefined) return 'all'
  const kept = new Set<Location | undefined>([pointer, ...named.map((file) => canonicalFile(file))])
  return (file) => file === undefined || kept.has(file)
}

/** Of a kind. Where there are more, that alone keeps everything. */
const MOST_LEADS = 2000

async function leadsTo(context: ReachContext, doomed: Doomed): Promise<Lead[]> {
  const found = await Promise.all([
    some(entryLeads(context, doomed)),
    some(droppedLeads(context, doomed)),
    doomed.owner.is === 'to be' ? [] : some(placeLeads(context, doomed)),
  ])
  return found.flat()
}

async function some(leads: AsyncGenerator<Lead>): Promise<Lead[]> {
  const found: Lead[] = []
  for await (const lead of leads) {
    // A metadata file that is none keeps all.
    if (found.length === MOST_LEADS) return [{ ...lead, kind: 'table', metadataFile: undefined }]
    found.push(lead)
  }
  return found
}

async function* entryLeads({ store }: ReachContext, { tenantId: tenant_id, location, owner }: Doomed): AsyncGenerator<Lead> {
  const start = { tenant_id, catalog_id: '', branch: '', namespace: '', name: '' }
  const rows = rowsOver<Row<'entries'>>(location, owner, (where, after) =>
    pagesOf(store, 'entries', {
      ...BY_LOCATION,
      where: { tenant_id, ...where },
      ...(after && { after: { ...start, ...after } }),
    }),
  )
  for await (const row of rows) if (!row.deleted) yield leadOf(row, false)
}

async function* droppedLeads(context: ReachContext, { tenantId: tenant_id, location, owner }: Doomed): AsyncGenerator<Lead> {
  const now = context.now()
  const start = { tenant_id, catalog_id: '', id: '' }
  const rows = rowsOver<Row<'dropped'>>(location, owner, (where, after) =>
    pagesOf(context.store, 'dropped', {
      ...BY_LOCATION,
      where: { tenant_id, ...where },
      ...(after && { after: { ...start, ...after } }),
    }),
  )
  for await (const row of rows) {
    const gone = goneOf(row)
    const isOver = row.kept_until <= now || (owner.is === 'gone' && row.id === owner.purge)
    if (gone.kind !== 'namespace' && !isOver) yield leadOf(gone.row, true)
  }
}

/**
 * Those around the location keep nothing of it: what lies in one was made up by the server where no file was, and those who have
 * the place get no access to it (`locations.ts`, `target.ts`).
 */
async function* placeLeads(context: ReachContext, { tenantId: tenant_id, location, owner }: Doomed): AsyncGenerator<Lead> {
  const { store } = context
  const rows = rowsOver<Row<'places'>>(location, owner, (where, after) =>
    pagesOf(store, 'places', {
      index: 'primary',
      where: { tenant_id, ...where },
      pageRows: PAGE,
      ...(after && { after: { tenant_id, entry_id: '', ...after } }),
    }),
  )
  for await (const row of rows) {
    if (!liesWithin(location, row.location as Location)) continue
    const { entry_id: id } = row
    if (owner.is === 'there' && id === owner.id) continue
    // A server of before, beside this one, leaves the rows of what it drops.
    const [entry] = await store.list('entries', { index: 'by_id', where: { tenant_id, id }, limit: 1 })
    if (entry === undefined) continue
    yield { kind: 'place', id, uuid: null, location: row.location as Location, isDropped: false, metadataFile: undefined }
  }
}

const PAGE = 200
const BY_LOCATION = { index: 'by_location', pageRows: PAGE } as const

type Pages<R> = (where: { readonly location?: Location }, after?: { readonly location: string }) => AsyncGenerator<R[]>

/** At the location; and above and below it, but for new files, which only metadata of this location could name by now. */
async function* rowsOver<R extends { readonly location: string | null }>(
  location: Location,
  { is }: Owner,
  pages: Pages<R>,
): AsyncGenerator<R> {
  for (const place of is === 'to be' ? [location] : selfAndAbove(location)) {
    for await (const rows of pages({ location: place })) yield* rows
  }
  if (is === 'to be') return
  const below = `${location}/`
  for await (const rows of pages({}, { location: below })) {
    for (const row of rows) {
      if (row.location?.startsWith(below) !== true) return
      yield row
    }
  }
}

type Entry = Pick<Row<'entries'>, 'kind' | 'id' | 'uuid' | 'location' | 'metadata_location'>

const leadOf = (row: Entry, isDropped: boolean): Lead => ({
  kind: row.kind === 'view' ? 'view' : 'table',
  id: row.id,
  uuid: row.uuid,
  location: row.location as Location,
  isDropped,
  metadataFile: row.metadata_location,
})

interface Located {
  readonly location: string
  readonly properties: Readonly<Record<string, string>>
}

/** Of the metadata files that a commit lets fall off the log, those that its table has asked to be deleted and that are its own. */
export function obsoleteFiles({ location, properties }: Located, removed: readonly string[]): string[] {
  if (removed.length === 0 || properties['write.metadata.delete-after-commit.enabled'] !== 'true') return []
  const own = canonicalFile(location.endsWith('/') ? location.slice(0, -1) : location)
  // A table registered from elsewhere keeps the history that it brought.
  return own === undefined ? [] : removed.filter((file) => !file.endsWith('/') && isWithin(own, file))
}
