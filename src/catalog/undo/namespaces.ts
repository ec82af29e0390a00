/** The inverse of what was done to a namespace: found as the change left it, or not at all. */
import { sameJson } from '../../iceberg/document.ts'
import { conflict, displayIdentifier, displayNamespace } from '../../iceberg/errors.ts'
import { isSameNamespace } from '../../iceberg/identifier.ts'
import type { Row } from '../../stores/entities.ts'
import type { CatalogCall, CatalogContext, Namespace } from '../call.ts'
import { droppingTree, type Tree } from '../drop-tree.ts'
import { droppedWith, forget } from '../dropped.ts'
import { identifierOf, namespaceKey, titleOf } from '../entries.ts'
import { changingProperties, droppingNamespace } from '../namespaces.ts'
import { changingProtection, foundNamespace } from '../protection.ts'
import { backNamespace, backTree } from '../undrop.ts'
import { ChangedSince, keptOf, whatOf, withoutId, type Inverse, type Line, type Operation, type What } from './line.ts'

type Values = Readonly<Record<string, string | null>>

export async function namespaceInverse(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
  { verb }: What,
): Promise<Inverse> {
  const { namespace } = operation
  if (namespace === undefined) throw withoutId()
  if (verb === 'drop') {
    const { gone, row } = await keptOf(context, call, line, operation)
    if (gone.kind !== 'namespace') throw conflict('what it dropped is not kept any more')
    const back = await backNamespace(context, call, namespace, gone.row)
    return { ...back, steps: [...back.steps, forget(row)] }
  }
  const title = `Namespace ${displayNamespace(namespace)}`
  const row = await namespaceLeft(context, call, namespace, operation)
  if (verb === 'protect' || verb === 'unprotect') {
    const found = { ...(await foundNamespace(context, call.catalog, namespace, row)), kind: 'namespace' }
    const changing = await changingProtection(context, call.principal, found, verb === 'unprotect')
    if (changing === undefined) throw new ChangedSince(`The protection of namespace ${displayNamespace(namespace)}`)
    return changing
  }
  if (verb === 'update') return propertiesBack(context, call, namespace, row, operation)
  if (!sameJson(row.properties, operation.after)) throw new ChangedSince(title)
  return droppingNamespace(context, call, namespace, row)
}

/** Of a namespace that was dropped with all that was in it. */
export async function treeBack(context: CatalogContext, call: CatalogCall, line: Line, top: Operation): Promise<Inverse> {
  const { gone, row } = await keptOf(context, call, line, top)
  if (gone.kind !== 'namespace' || top.namespace === undefined) throw conflict('what it dropped is not kept any more')
  const parts = await droppedWith(context, row)
  const missing = line.operations.length - 1 - parts.length
  if (missing > 0) throw conflict(`${missing} of the things that it dropped came back since, or are not kept any more`)
  const back = await backTree(context, call, top.namespace, gone.row, parts)
  return { ...back, steps: [...back.steps, forget(row)] }
}

/** Of a namespace that came back with all that was in it: it goes as it came, with that and nothing else in it. */
export async function treeGone(context: CatalogContext, call: CatalogCall, line: Line, top: Operation): Promise<Inverse> {
  if (top.namespace === undefined) throw withoutId()
  await namespaceLeft(context, call, top.namespace, top)
  return droppingTree(context, call, top.namespace, { check: (tree) => assertTreeLeft(tree, line.operations) })
}

/** @throws ChangedSince about what is not there any more or not as it came, and about the namespace for what came to be in it */
function assertTreeLeft({ spaces, entries }: Tree, operations: readonly Operation[]): void {
  const left = new Map(operations.map((operation) => [operation.id, operation]))
  const check = (id: string, isSame: (operation: Operation) => boolean): void => {
    const operation = left.get(id) ?? operations[0]!
    if (!left.delete(id) || !isSame(operation)) throw new ChangedSince(titleOfThing(operation), operation)
  }
  for (const { namespace, row } of spaces) {
    check(row.id, (one) => isSameNamespace(one.namespace ?? [], namespace) && sameJson(row.properties, one.after))
  }
  for (const row of entries) {
    const { namespace, name } = identifierOf(row)
    const isThere = ({ identifier }: Operation): boolean =>
      identifier?.name === name && isSameNamespace(identifier.namespace, namespace)
    check(row.id, (one) => isThere(one) && one['metadata-location'] === row.metadata_location)
  }
  for (const operation of left.values()) throw new ChangedSince(titleOfThing(operation), operation)
}

function titleOfThing(operation: Operation): string {
  const { namespace, identifier } = operation
  if (identifier === undefined) return `Namespace ${displayNamespace(namespace ?? [])}`
  return `${titleOf(whatOf(operation).kind)} ${displayIdentifier(identifier)}`
}

async function namespaceLeft(
  { store }: CatalogContext,
  { catalog }: CatalogCall,
  namespace: Namespace,
  { id }: Operation,
): Promise<Row<'namespaces'>> {
  if (id == null) throw withoutId()
  const row = await store.get('namespaces', namespaceKey(catalog, namespace))
  if (row?.id !== id) throw new ChangedSince(`Namespace ${displayNamespace(namespace)}`)
  return row
}

/** Of the properties that the change set or removed; others stay as they are. */
function propertiesBack(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  row: Row<'namespaces'>,
  operation: Operation,
): Promise<Inverse> {
  const [before, after] = [new Map(Object.entries(operation.before as Values)), operation.after as Values]
  const properties = new Map(Object.entries(row.properties as Readonly<Record<string, string>>))
  for (const [name, value] of before) {
    if ((properties.get(name) ?? null) !== (after[name] ?? null))
      throw new ChangedSince(`Property ${name} of namespace ${displayNamespace(namespace)}`)
    if (value === null) properties.delete(name)
    else properties.set(name, value)
  }
  const names = [...before.keys()]
  return changingProperties(context, call, namespace, row, {
    properties: Object.fromEntries(properties),
    isSet: (before.get('location') ?? null) !== null,
    updated: names.filter((name) => before.get(name) !== null),
    removed: names.filter((name) => before.get(name) === null),
  })
}
