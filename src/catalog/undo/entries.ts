/** The inverse of what was done to a table or view: found as the change left it, or not at all. */
import { displayIdentifier } from '../../iceberg/errors.ts'
import type { NewRow } from '../../stores/entities.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from '../call.ts'
import { dropping } from '../drop.ts'
import { forget, purgeOf } from '../dropped.ts'
import { entryKey, FIRST_EPOCH, titleOf, type Entry, type EntryKind } from '../entries.ts'
import { changingProtection, foundEntry } from '../protection.ts'
import { renaming } from '../rename.ts'
import { backEntry } from '../undrop.ts'
import { commitBack, readGone } from './commits.ts'
import { ChangedSince, keptOf, withoutId, type EntryWhat, type Inverse, type Line, type Operation } from './line.ts'

export async function entryInverse(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
  { verb, kind }: EntryWhat,
): Promise<Inverse> {
  const { identifier } = operation
  if (identifier === undefined) throw withoutId()
  const left = (isPinned: boolean, at = identifier): Promise<Entry> => entryLeft(context, call, at, kind, operation, isPinned)
  switch (verb) {
    case 'drop':
      return dropped(context, call, line, operation, identifier)
    case 'unregister':
      return unregistered(context, call, operation, identifier)
    case 'rename': {
      const source = operation.destination ?? identifier
      return renaming(context, call.catalog, await left(false, source), { kind, source, destination: identifier })
    }
    case 'update':
      return commitBack(context, call, identifier, await left(true), operation)
    case 'register':
      if (operation['previous-metadata-location'] != null)
        return commitBack(context, call, identifier, await left(true), operation, { isForeign: true })
      return dropping(context, call, identifier, await left(true))
    case 'protect':
    case 'unprotect':
      return protection(context, call, identifier, operation, { row: await left(false), isWanted: verb === 'unprotect' })
    default:
      // Created, or brought back.
      return dropping(context, call, identifier, await left(true))
  }
}

/**
 * The entry under the name that the change gave it; where it is pinned, also as the change left it. In a line without an id, its
 * metadata file says which entry it was.
 */
async function entryLeft(
  { store }: CatalogContext,
  { catalog }: CatalogCall,
  at: TableIdentifier,
  kind: EntryKind,
  { id, 'metadata-location': file }: Operation,
  isPinned: boolean,
): Promise<Entry> {
  if (id == null && file == null) throw withoutId()
  const row = await store.get('entries', entryKey(catalog, at))
  const isThere = row?.kind === kind && (id == null || row.id === id)
  if (isThere && ((!isPinned && id != null) || row.metadata_location === file)) return row
  throw new ChangedSince(`${titleOf(kind)} ${displayIdentifier(at)}`)
}

async function dropped(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
  identifier: TableIdentifier,
): Promise<Inverse> {
  const { gone, row } = await keptOf(context, call, line, operation)
  if (gone.kind === 'namespace') throw new TypeError(`the id of ${displayIdentifier(identifier)} is that of a namespace`)
  const back = await backEntry(context, call, identifier, gone.row, await purgeOf(context, row))
  return { ...back, steps: [...back.steps, forget(row)] }
}

/** Nothing is kept of a table that was unregistered: its line says all that its row did, but when it was made. */
async function unregistered(
  context: CatalogContext,
  call: CatalogCall,
  { id, 'previous-metadata-location': file, 'previous-location': location, 'previous-uuid': uuid = null }: Operation,
  identifier: TableIdentifier,
): Promise<Inverse> {
  if (id == null || file == null || location === undefined) throw withoutId()
  const now = context.now()
  const row: NewRow<'entries'> = {
    ...entryKey(call.catalog, identifier),
    kind: 'table',
    id,
    epoch: FIRST_EPOCH,
    deleted: false,
    metadata_location: file,
    location,
    uuid,
    created_at: now,
    updated_at: now,
  }
  // Another program may have put another file there: this one must say the same of itself as the line.
  await readGone(context, call, row)
  return backEntry(context, call, identifier, row)
}

async function protection(
  context: CatalogContext,
  { principal, catalog }: CatalogCall,
  identifier: TableIdentifier,
  { id }: Operation,
  { row, isWanted }: { readonly row: Entry; readonly isWanted: boolean },
): Promise<Inverse> {
  if (id == null) throw withoutId()
  const found = { ...(await foundEntry(context, catalog, identifier, row)), kind: row.kind }
  const changing = await changingProtection(context, principal, found, isWanted)
  if (changing === undefined) throw new ChangedSince(`The protection of ${row.kind} ${displayIdentifier(identifier)}`)
  return changing
}
