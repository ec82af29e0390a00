/**
 * A namespace dropped with all that is in it: one batch, so that what is seen of it is there or gone as a whole, and bounded for
 * that reason. What went with a namespace comes back with it (`undrop.ts`).
 */
import { change, type Attempt } from '../changes/change.ts'
import { stringify } from '../iceberg/json.ts'
import type { Operation } from '../changes/write.ts'
import { displayNamespace, IcebergError, noSuchWarehouse } from '../iceberg/errors.ts'
import type { Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { resolveNamespace } from './authorize.ts'
import type { CatalogCall, CatalogContext, Namespace } from './call.ts'
import type { DropOptions } from './drop.ts'
import { idOfPart, keep, MOST_IN_A_TREE } from './dropped.ts'
import { branchKey, entryKey, identifierOf, namespaceKey, namespacePath, withoutVersion } from './entries.ts'
import { entryGone, namespaceOperation } from './logged.ts'
import { freedPlaces } from './places/places.ts'
import { entryThing, namespaceThing, unprotected } from './protection.ts'

interface Space {
  readonly namespace: Namespace
  readonly row: Row<'namespaces'>
}

export interface Tree {
  /** Outermost first. */
  readonly spaces: readonly Space[]
  readonly entries: readonly Row<'entries'>[]
}

async function readTree(context: CatalogContext, call: CatalogCall, top: Namespace): Promise<Tree> {
  const { store } = context
  const { tenantId: tenant_id, id: catalog_id, branch } = call.catalog
  const row = await resolveNamespace(context, call, top, 'namespace.drop')
  const spaces: Space[] = [{ namespace: top, row }]
  const entries: Row<'entries'>[] = []
  const limit = MOST_IN_A_TREE + 1
  for (let at = 0; at < spaces.length; at++) {
    const { namespace } = spaces[at]!
    const path = namespacePath(namespace)
    const [children, inside] = await Promise.all([
      store.list('namespaces', { index: 'primary', where: { tenant_id, catalog_id, branch, parent: path }, limit }),
      store.list('entries', { index: 'primary', where: { tenant_id, catalog_id, branch, namespace: path }, limit }),
    ])
    for (const row of children) spaces.push({ namespace: [...namespace, row.name], row })
    entries.push(...inside)
    if (spaces.length + entries.length <= MOST_IN_A_TREE) continue
    throw new IcebergError(
      'ConflictException',
      `Namespace ${displayNamespace(top)} holds more than ${MOST_IN_A_TREE} namespaces, tables and views: drop some of them before`,
    )
  }
  return { spaces, entries }
}

/**
 * The drop of a namespace with what `check` finds to be in it.
 * @throws IcebergError 404, 409 for what is protected and for what is too much
 */
export async function droppingTree(
  context: CatalogContext,
  call: CatalogCall,
  top: Namespace,
  { force = false, check = () => {} }: Pick<DropOptions, 'force'> & { readonly check?: (tree: Tree) => void } = {},
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>> {
  // Read before what is protected is looked for: a protection changes it.
  const branch = await context.store.get('branches', branchKey(call.catalog))
  if (branch === undefined) throw noSuchWarehouse(call.catalog.name)
  const tree = await readTree(context, call, top)
  check(tree)
  return {
    message: `Drop namespace ${displayNamespace(top)} with all that is in it`,
    operations: operationsOf(tree),
    steps: [
      { op: 'require', entity: 'branches', key: branchKey(call.catalog), expected: branch.version },
      ...removals(call, tree),
      ...(await guards(context, call, tree, force)),
      ...(await Promise.all(tree.entries.map(({ id }) => freedPlaces(context, call.catalog, id)))).flat(),
      ...keptOf(context, call, tree),
    ],
  }
}

/** @throws IcebergError 404, 409 for what is protected and for what is too much */
export async function dropNamespaceTree(
  context: CatalogContext,
  call: CatalogCall,
  top: Namespace,
  { force = false }: Pick<DropOptions, 'force'> = {},
): Promise<void> {
  return change<void>(context, call, {
    what: `namespace ${displayNamespace(top)}`,
    log: call.catalog,
    attempt: async () => ({
      ...(await droppingTree(context, call, top, { force })),
      status: 204,
      outcome: null,
      answer: () => undefined,
    }),
    replay: () => undefined,
  })
}

/** Of all namespaces, in the line of one drop. */
const MOST_OF_PROPERTIES = 1024 * 1024

function operationsOf({ spaces, entries }: Tree): Operation[] {
  // What came with them is kept with each of them; a line is read as a whole.
  const isSmall = spaces.reduce((sum, { row }) => sum + stringify(row.properties).length, 0) <= MOST_OF_PROPERTIES
  return [
    ...entries.map((before) => entryGone(identifierOf(before), before)),
    ...spaces.toReversed().map(({ namespace, row }) => {
      return namespaceOperation('drop-namespace', namespace, row, { before: isSmall ? row.properties : null, after: null })
    }),
  ]
}

/** What is created inside requires the rows that go away here, so that nothing is left behind. */
function removals({ catalog }: CatalogCall, { spaces, entries }: Tree): Mutation[] {
  const { tenantId: tenant_id, id: catalog_id, branch } = catalog
  const within = { tenant_id, catalog_id, branch }
  return [
    ...entries.map((row): Mutation => {
      return { op: 'remove', entity: 'entries', key: entryKey(catalog, identifierOf(row)), expected: row.version }
    }),
    ...spaces.map(({ namespace, row }): Mutation => {
      return { op: 'remove', entity: 'namespaces', key: namespaceKey(catalog, namespace), expected: row.version }
    }),
    ...spaces.flatMap(({ namespace }): Mutation[] => [
      { op: 'requireEmpty', entity: 'entries', index: 'primary', where: { ...within, namespace: namespacePath(namespace) } },
      { op: 'requireEmpty', entity: 'namespaces', index: 'primary', where: { ...within, parent: namespacePath(namespace) } },
    ]),
  ]
}

/** The steps that end protections. @throws IcebergError 409 that names the first thing that is protected */
async function guards(
  context: CatalogContext,
  call: CatalogCall,
  { spaces, entries }: Tree,
  force: boolean,
): Promise<Mutation[]> {
  const things = [
    ...spaces.map(({ namespace, row }) => namespaceThing(namespace, row)),
    ...entries.map((row) => entryThing(identifierOf(row), row)),
  ]
  const steps: Mutation[] = []
  // One by one: the first is named. That none comes to be is the branch's to say.
  for (const thing of things) {
    const guard = await unprotected(context, call.principal, thing, force)
    if (guard.op === 'remove') steps.push(guard)
  }
  return steps
}

function keptOf(context: CatalogContext, call: CatalogCall, { spaces, entries }: Tree): Mutation[] {
  const [whole, from] = [context.uuidV7(), context.now()]
  const [top, ...below] = spaces.map(({ row }) => ({ kind: 'namespace', row: withoutVersion(row) }) as const)
  const parts = [...below, ...entries.map((row) => ({ kind: row.kind as 'table' | 'view', row: withoutVersion(row) }))]
  return [
    ...keep(context, call, top!, { id: whole, from }),
    ...parts.flatMap((gone, at) => keep(context, call, gone, { id: idOfPart(whole, at), from })),
  ]
}
