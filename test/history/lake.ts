/** Several processes of one lake, each with a store and a clock of its own, that change it at random and note what they were told. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer } from '../../src/catalog/call.ts'
import { createCatalogRow } from '../../src/catalog/catalogs.ts'
import { createCatalogContext } from '../../src/catalog/context.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { createNamespace, dropNamespace, updateProperties } from '../../src/catalog/namespaces.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { badRequest, IcebergError } from '../../src/iceberg/errors.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { openFileStore } from '../../src/storage/file.ts'
import type { Store } from '../../src/stores/store.ts'
import { bodyOf, catalogRow, ident, schema, set } from '../catalog/setup.ts'

export const TENANT = 't1'
export const LOG = { tenant_id: TENANT, catalog_id: 'c1', branch: 'main' }

export interface Process {
  readonly context: CatalogContext
  readonly catalog: CatalogHandle
  readonly call: CatalogCall
}

/** What was at a moment. */
export interface Model {
  /** Metadata locations by name, in the namespace of the first part. */
  readonly tables: Map<string, string>
  readonly namespaces: Map<string, Readonly<Record<string, string>>>
}

export const emptyModel = (): Model => ({ tables: new Map(), namespaces: new Map() })

export interface Done {
  /** The request's id in the log. */
  readonly id: string
  readonly startedAt: number
  readonly endedAt: number
  /** What it did, by what the caller knows. */
  readonly apply: (model: Model) => void
}

/** The catalog's row, without a namespace, in an empty store. */
export async function makeLake(store: Store): Promise<void> {
  const tenant = { id: TENANT, name: 'one', properties: {}, created_at: 0 }
  await store.write([{ op: 'insert', entity: 'tenants', row: tenant }, ...createCatalogRow(catalogRow)])
}

export function processesOn(t: TestContext, stores: readonly Store[], skews: readonly number[]): Process[] {
  const folder = mkdtempSync(join(tmpdir(), 'history-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return stores.map((store, n) => {
    const skew = skews[n % skews.length]!
    const context = createCatalogContext({
      store,
      now: () => Date.now() + skew,
      pageTokenKey: createSecretKey(randomBytes(32)),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5))),
    })
    const catalog: CatalogHandle = {
      tenantId: TENANT,
      id: 'c1',
      name: 'lake',
      branch: 'main',
      version: 'any',
      warehouseName: 'w',
      root: canonicalLocation(`file://${folder}/lake`),
      allowedRoots: [],
      storage: openFileStore(canonicalLocation(`file://${folder}`)),
      clientConfig: {},
      tableLayout: 'plain',
      purgeDelayMs: 0,
      configVersion: 'v1',
      vending: undefined,
      signer: undefined,
      properties: {},
    }
    return { context, catalog, call: { principal: { id: 'u1', name: 'ada', tenantId: TENANT, role: 'tenant-admin' }, catalog } }
  })
}

const NAMESPACES = ['a', 'b']
const NAMES = ['x', 'y', 'z']
const pick = <T>(some: readonly T[]): T => some[Math.floor(Math.random() * some.length)]!

type Action = (process: Process, call: CatalogCall) => Promise<(model: Model) => void>

const locationOf = (answer: MetadataAnswer): string => bodyOf(answer)['metadata-location']!

const ACTIONS: readonly Action[] = [
  async ({ context }, call) => {
    const [namespace, properties] = [pick(NAMESPACES), { made: pick(NAMES) }]
    await createNamespace(context, call, { namespace: [namespace], properties })
    return ({ namespaces }) => void namespaces.set(namespace, properties)
  },
  async ({ context }, call) => {
    const namespace = pick(NAMESPACES)
    await dropNamespace(context, call, [namespace])
    return ({ namespaces }) => void namespaces.delete(namespace)
  },
  async ({ context }, call) => {
    const [namespace, key, value] = [pick(NAMESPACES), pick(NAMES), String(Math.random())]
    const request = Math.random() < 0.3 ? { removals: [key] } : { updates: { [key]: value } }
    const { removed } = await updateProperties(context, call, [namespace], request)
    return ({ namespaces }) => {
      const { [key]: _, ...rest } = namespaces.get(namespace)!
      const isRemoved = removed.length > 0 || request.removals !== undefined
      namespaces.set(namespace, isRemoved ? rest : { ...rest, [key]: value })
    }
  },
  async ({ context }, call) => {
    const [namespace, name] = [pick(NAMESPACES), pick(NAMES)]
    const file = locationOf(await createTable(context, call, [namespace], { name, schema }))
    return ({ tables }) => void tables.set(`${namespace}.${name}`, file)
  },
  async ({ context }, call) => {
    const [namespace, name] = [pick(NAMESPACES), pick(NAMES)]
    await dropTable(context, call, ident(name, namespace))
    return ({ tables }) => void tables.delete(`${namespace}.${name}`)
  },
  async ({ context }, call) => {
    const [from, to] = [ident(pick(NAMES), pick(NAMESPACES)), ident(pick(NAMES), pick(NAMESPACES))]
    // A new name that is the old one is no change.
    if (String(from.namespace) + from.name === String(to.namespace) + to.name) throw badRequest('the same name')
    await renameTable(context, call, { source: from, destination: to })
    return ({ tables }) => {
      const [source, target] = [from, to].map(({ namespace, name }) => `${namespace[0]}.${name}`) as [string, string]
      const file = tables.get(source)
      tables.delete(source)
      tables.set(target, file!)
    }
  },
]

const commit: Action = async ({ context }, call) => {
  const [namespace, name] = [pick(NAMESPACES), pick(NAMES)]
  const request = { requirements: [], updates: [set({ n: String(Math.random()) })] }
  const file = locationOf(await updateTable(context, call, ident(name, namespace), request))
  return ({ tables }) => void tables.set(`${namespace}.${name}`, file)
}

/** Changes until so many were acknowledged; `isEnough` may end it before. */
export async function changeAtRandom(process: Process, prefix: string, count: number, done: Done[]): Promise<void> {
  for (let [n, acknowledged] = [0, 0]; acknowledged < count && n < count * 50; n++) {
    const id = `${prefix}-${n}`
    const action = Math.random() < 0.4 ? commit : pick(ACTIONS)
    const startedAt = performance.now()
    try {
      const apply = await action(process, { ...process.call, origin: { requestId: id } })
      done.push({ id, startedAt, endedAt: performance.now(), apply })
      acknowledged++
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
    }
  }
}
