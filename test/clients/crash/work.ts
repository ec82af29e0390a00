/** The kinds of work of the crash test. Each has a namespace of its own, so that its outcome depends on nobody else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freshKey, type Api } from './api.ts'
import type { Work } from './worker.ts'

export const CATALOG = '/v1/lake'
const SCHEMA = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }

export interface LoadedTable {
  readonly 'metadata-location': string
  readonly metadata: {
    readonly 'table-uuid': string
    readonly location: string
    readonly properties: Readonly<Record<string, string>>
    readonly 'metadata-log': readonly { readonly 'metadata-file': string }[]
  }
}

export const tablePath = (namespace: string, table: string): string => `${CATALOG}/namespaces/${namespace}/tables/${table}`
const load = (api: Api, namespace: string, table: string): Promise<LoadedTable> => api.get(tablePath(namespace, table))
const sometimes = (random: () => number): { idempotencyKey?: string } => (random() < 0.5 ? { idempotencyKey: freshKey() } : {})

async function expect(api: Api, path: string, body: unknown): Promise<void> {
  const { status, body: answer } = await api.send({ method: 'POST', path, body })
  assert.equal(status, 200, `POST ${path}: ${JSON.stringify(answer)}`)
}

const createNamespace = (api: Api, name: string): Promise<void> => expect(api, `${CATALOG}/namespaces`, { namespace: [name] })
const createTable = (api: Api, namespace: string, name: string, properties = {}): Promise<void> =>
  expect(api, `${CATALOG}/namespaces/${namespace}/tables`, { name, schema: SCHEMA, properties })

async function listTables(api: Api, namespace: string): Promise<string[]> {
  const { identifiers } = await api.get<{ identifiers: { name: string }[] }>(`${CATALOG}/namespaces/${namespace}/tables`)
  return identifiers.map(({ name }) => name).sort()
}

const setCounter = (counter: number): object => ({ action: 'set-properties', updates: { counter: String(counter) } })

/** Commits to one table: a counter in its properties. Its history is in the metadata log, without a gap. */
export function counting(namespace: string): Work<{ counter: number }> {
  const path = tablePath(namespace, 'counter')
  return {
    name: namespace,
    async prepare(api) {
      await createNamespace(api, namespace)
      await createTable(api, namespace, 'counter', { counter: '0' })
      return { counter: 0 }
    },
    async next(_api, { counter }, random) {
      const body = { requirements: [], updates: [setCounter(counter + 1)] }
      return { operation: { method: 'POST', path, body, ...sometimes(random) }, status: 200, state: { counter: counter + 1 } }
    },
    async read(api) {
      return { counter: Number((await load(api, namespace, 'counter')).metadata.properties['counter']) }
    },
    async verify(api, { counter }) {
      const table = await load(api, namespace, 'counter')
      const files = [...table.metadata['metadata-log'].map((entry) => entry['metadata-file']), table['metadata-location']]
      const history = files.map((file) => Number(readMetadata(file).properties['counter']))
      const first = counter - history.length + 1
      assert.deepEqual(
        history,
        Array.from({ length: history.length }, (_, index) => first + index),
        `${namespace}: the log has every commit once`,
      )
    },
  }
}

/** Transactions over three tables: their counters are equal, always. */
export function transacting(namespace: string): Work<{ counters: number[] }> {
  const tables = ['a', 'b', 'c']
  return {
    name: namespace,
    async prepare(api) {
      await createNamespace(api, namespace)
      for (const table of tables) await createTable(api, namespace, table, { counter: '0' })
      return { counters: [0, 0, 0] }
    },
    async next(_api, { counters: [counter = 0] }, random) {
      const changes = tables.map((name) => ({
        identifier: { namespace: [namespace], name },
        requirements: [],
        updates: [setCounter(counter + 1)],
      }))
      const operation = { method: 'POST', path: `${CATALOG}/transactions/commit`, body: { 'table-changes': changes } } as const
      return {
        operation: { ...operation, ...sometimes(random) },
        status: 204,
        state: { counters: tables.map(() => counter + 1) },
      }
    },
    async read(api) {
      const loaded = await Promise.all(tables.map((table) => load(api, namespace, table)))
      return { counters: loaded.map(({ metadata }) => Number(metadata.properties['counter'])) }
    },
  }
}

/** One table that is renamed again and again: it is there under exactly one name, and stays itself. */
export function renaming(namespace: string): Work<{ names: string[]; uuid: string }> {
  const read = async (api: Api): Promise<{ names: string[]; uuid: string }> => {
    const names = await listTables(api, namespace)
    const table = await load(api, namespace, names[0] ?? 'none')
    return { names, uuid: table.metadata['table-uuid'] }
  }
  return {
    name: namespace,
    read,
    async prepare(api) {
      await createNamespace(api, namespace)
      await createTable(api, namespace, 'name_0')
      return read(api)
    },
    async next(_api, { names: [name = ''], uuid }, random) {
      const renamed = `name_${Number(name.split('_')[1]) + 1}`
      const body = { source: { namespace: [namespace], name }, destination: { namespace: [namespace], name: renamed } }
      const operation = { method: 'POST', path: `${CATALOG}/tables/rename`, body, ...sometimes(random) } as const
      return { operation, status: 204, state: { names: [renamed], uuid } }
    },
  }
}

/** Tables that are only ever created. */
export function creating(namespace: string): Work<{ names: string[] }> {
  return {
    name: namespace,
    async prepare(api) {
      await createNamespace(api, namespace)
      return { names: [] }
    },
    async next(_api, { names }, random) {
      const name = `table_${String(names.length).padStart(6, '0')}`
      const body = { name, schema: SCHEMA, properties: { name } }
      const operation = { method: 'POST', path: `${CATALOG}/namespaces/${namespace}/tables`, body, ...sometimes(random) } as const
      return { operation, status: 200, state: { names: [...names, name] } }
    },
    read: async (api) => ({ names: await listTables(api, namespace) }),
  }
}

/** Tables that are created and dropped with their files. `doomed` gets the location of each before it is dropped. */
export function purging(namespace: string, doomed: Map<string, string>): Work<{ names: string[] }> {
  let number = 0
  return {
    name: namespace,
    async prepare(api) {
      await createNamespace(api, namespace)
      return { names: [] }
    },
    async next(api, { names }, random) {
      const [oldest] = names
      if (oldest === undefined || (names.length < 4 && random() < 0.5)) {
        const name = `table_${String(number++).padStart(6, '0')}`
        const body = { name, schema: SCHEMA }
        const operation = {
          method: 'POST',
          path: `${CATALOG}/namespaces/${namespace}/tables`,
          body,
          ...sometimes(random),
        } as const
        return { operation, status: 200, state: { names: [...names, name] } }
      }
      const path = tablePath(namespace, oldest)
      doomed.set(path, (await load(api, namespace, oldest)).metadata.location)
      const operation = { method: 'DELETE', path: `${path}?purgeRequested=true`, ...sometimes(random) } as const
      return { operation, status: 204, state: { names: names.slice(1) } }
    },
    read: async (api) => ({ names: await listTables(api, namespace) }),
    repeatable: ({ method, body }, { names }) => method === 'DELETE' || names.includes((body as { name: string }).name),
  }
}

/** Child namespaces that come, change and go. */
export function housekeeping(namespace: string): Work<{ children: Record<string, string> }> {
  let number = 0
  const path = (child: string): string => `${CATALOG}/namespaces/${namespace}%1F${child}`
  return {
    name: namespace,
    async prepare(api) {
      await createNamespace(api, namespace)
      return { children: {} }
    },
    async next(_api, { children }, random) {
      const [child, value = ''] = Object.entries(children)[0] ?? []
      if (child === undefined || random() < 0.3) {
        const name = `child_${number++}`
        const body = { namespace: [namespace, name], properties: { value: '0' } }
        const operation = { method: 'POST', path: `${CATALOG}/namespaces`, body, ...sometimes(random) } as const
        return { operation, status: 200, state: { children: { ...children, [name]: '0' } } }
      }
      if (random() < 0.5) {
        const changed = `${Number(value) + 1}`
        const body = { updates: { value: changed } }
        const operation = { method: 'POST', path: `${path(child)}/properties`, body, ...sometimes(random) } as const
        return { operation, status: 200, state: { children: { ...children, [child]: changed } } }
      }
      const rest = Object.fromEntries(Object.entries(children).filter(([name]) => name !== child))
      return { operation: { method: 'DELETE', path: path(child), ...sometimes(random) }, status: 204, state: { children: rest } }
    },
    async read(api) {
      const { namespaces } = await api.get<{ namespaces: string[][] }>(`${CATALOG}/namespaces?parent=${namespace}`)
      const entries = namespaces.map(async ([, child = '']) => {
        const { properties } = await api.get<{ properties: Record<string, string> }>(path(child))
        return [child, properties['value'] ?? ''] as const
      })
      return { children: Object.fromEntries(await Promise.all(entries)) }
    },
  }
}

export function readMetadata(location: string): LoadedTable['metadata'] {
  return JSON.parse(readFileSync(fileURLToPath(location), 'utf8')) as LoadedTable['metadata']
}
