/**
 * What the log says, for programs, of changes to tables, views and namespaces: their ids, and their state before and after. The
 * history of the catalog is read from these lines, so they hold all that a past state consists of.
 */
import type { Operation } from '../changes/write.ts'
import type { Json, NewRow } from '../stores/entities.ts'
import type { Namespace, TableIdentifier } from './call.ts'

type State = Pick<NewRow<'entries'>, 'id' | 'uuid' | 'location' | 'metadata_location'>

export interface EntryChange {
  readonly identifier: TableIdentifier
  /** The new name, where it has one from now on. */
  readonly destination?: TableIdentifier | undefined
  readonly before: State | undefined
  readonly after: State | undefined
}

const plain = ({ namespace, name }: TableIdentifier): Json => ({ namespace, name })

/** `uuid` and `location` stand in it where they are not what they were. */
export function entryOperation(
  operation: string,
  { identifier, destination, before, after }: EntryChange,
  more: Operation = {},
): Operation {
  const isSame = before !== undefined && before.location === after?.location && before.uuid === after.uuid
  return {
    operation,
    identifier: plain(identifier),
    ...(destination && { destination: plain(destination) }),
    id: (after ?? before)?.id ?? null,
    'metadata-location': after?.metadata_location ?? null,
    'previous-metadata-location': before?.metadata_location ?? null,
    ...(after && !isSame && { uuid: after.uuid, location: after.location }),
    ...more,
  }
}

/** A table or view that went away with what was around it. */
export const entryGone = (identifier: TableIdentifier, before: State & Pick<NewRow<'entries'>, 'kind'>): Operation =>
  entryOperation(`drop-${before.kind}`, { identifier, before, after: undefined }, { 'purge-requested': false })

type Properties = Readonly<Record<string, string>>

/** `before` and `after` are the properties, null where the namespace does not exist. */
export function namespaceOperation(
  operation: string,
  namespace: Namespace,
  { id }: Pick<NewRow<'namespaces'>, 'id'>,
  { before, after }: { readonly before: Json; readonly after: Json },
  more: Operation = {},
): Operation {
  return { operation, namespace, id, before, after, ...more }
}

/** Of the properties that change: their values before and after, null where there is none. */
export function changedProperties(before: Properties, after: Properties): { readonly before: Json; readonly after: Json } {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name])
  const values = (properties: Properties): Json =>
    Object.fromEntries(names.map((name) => [name, Object.hasOwn(properties, name) ? properties[name]! : null]))
  return { before: values(before), after: values(after) }
}
