/** The largest requests of each kind that callers may send who administer nothing, and what the server says to them. */
import { randomUUID } from 'node:crypto'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import type { LargeRequest } from './sender.ts'

export interface Kind {
  readonly what: string
  /** Of the n-th try. */
  readonly requests: (n: number) => readonly LargeRequest[]
  /** Of all its answers. */
  readonly status: number
  /** It is refused by what its head says; the connection may be closed while its body is still being sent. */
  readonly isCutOff?: boolean
}

const field = (id: number) => ({ id, name: `column_${id}`, required: false, type: 'string' })
const schema = (columns: number) => ({ type: 'struct', fields: Array.from({ length: columns }, (_, n) => field(n + 1)) })
const properties = (count: number, start: string, value = '') =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${start}-${n}`, value]))
const addSchemas = (first: number, count: number) =>
  Array.from({ length: count }, (_, n) => ({ action: 'add-schema', schema: schema(3000 + first + n) }))
const setProperties = (updates: Readonly<Record<string, string>>) => ({ action: 'set-properties', updates })
const report = (filters: number) => ({
  'report-type': 'scan-report',
  'table-name': 'wide',
  'snapshot-id': 1,
  filter: Array.from({ length: filters }, (_, n) => ({ type: 'eq', term: `c${n}`, value: n })),
  'schema-id': 0,
  'projected-field-ids': [1],
  'projected-field-names': ['c'],
  metrics: {},
})
/** So many versions of 10 kB. */
const viewVersion = (id: number, length: number) => ({
  'version-id': id,
  'timestamp-ms': Date.now(),
  'schema-id': 0,
  summary: {},
  representations: [{ type: 'sql', sql: `select '${'x'.repeat(length)}' as a_${id}`, dialect: 'spark' }],
  'default-namespace': ['stalls'],
})

const NAMES = 300
const NAMESPACE = '/v1/lake/namespaces/stalls'

export async function largeRequests(target: Target): Promise<readonly Kind[]> {
  await createNamespace(target, 'stalls')
  const wide = await createTable(target, 'stalls', 'wide', 20)
  const [tables, views] = [`${NAMESPACE}/tables`, `${NAMESPACE}/views`]
  const small = await Promise.all(
    Array.from({ length: NAMES }, (_, n) => createTable(target, 'stalls', `small_${n}`, 20).then(() => `small_${n}`)),
  )
  const headers = { Authorization: `Bearer ${target.token}` }
  const get = (path: string): LargeRequest => ({ method: 'GET', path, headers })
  const post = (path: string, body: object, more: Readonly<Record<string, string>> = {}): LargeRequest => ({
    method: 'POST',
    path,
    headers: { ...headers, ...more },
    body: Buffer.from(JSON.stringify(body)),
  })
  const commit = (updates: readonly object[], more?: Readonly<Record<string, string>>) =>
    post(wide, { requirements: [], updates }, more)
  const keyed = { 'Idempotency-Key': `01920000-0000-7000-8000-${randomUUID().slice(-12)}` }
  const nine = Array.from('abcdefghi').map((start) => setProperties(properties(99_000, start)))
  const changes = (updates: (name: string) => readonly object[]) =>
    small.map((name) => ({ identifier: { namespace: ['stalls'], name }, requirements: [], updates: updates(name) }))
  return [
    {
      what: 'a metrics report of 8 MB',
      status: 413,
      isCutOff: true,
      requests: () => [post(`${wide}/metrics`, { 'report-type': 'x', text: 'x'.repeat(8_000_000) })],
    },
    { what: 'a metrics report of 0.9 MB', status: 204, requests: () => [post(`${wide}/metrics`, report(20_000))] },
    {
      what: 'a list of such reports',
      status: 200,
      requests: () => [get(`/api/v1/catalogs/lake/namespaces/stalls/tables/wide/metrics?pageSize=1000`)],
    },
    {
      what: 'a table of ten thousand columns',
      status: 200,
      requests: (n) => [post(tables, { name: `columns_${n}`, schema: schema(10_000) })],
    },
    {
      what: 'the same, staged',
      status: 200,
      requests: (n) => [post(tables, { name: `staged_${n}`, 'stage-create': true, schema: schema(10_000) })],
    },
    {
      what: 'a view of ten thousand columns',
      status: 200,
      requests: (n) => [
        post(views, { name: `view_${n}`, schema: schema(10_000), 'view-version': viewVersion(1, 10), properties: {} }),
      ],
    },
    {
      what: 'a commit of 90 versions to a view',
      status: 200,
      requests: (n) => [
        post(`${views}/view_${n}`, {
          requirements: [],
          updates: [
            ...Array.from({ length: 90 }, (_, at) => ({
              action: 'add-view-version',
              'view-version': viewVersion(at + 2, 10_000),
            })),
            { action: 'set-current-view-version', 'view-version-id': -1 },
          ],
        }),
      ],
    },
    {
      what: 'a namespace with 250 kB of properties',
      status: 200,
      requests: (n) => [
        post('/v1/lake/namespaces', { namespace: [`large_${n}`], properties: properties(9_000, 'key', 'x'.repeat(15)) }),
      ],
    },
    { what: 'a load of that namespace', status: 200, requests: (n) => [get(`/v1/lake/namespaces/large_${n}`)] },
    {
      what: 'a namespace with 2 MB of properties',
      status: 400,
      requests: () => [
        post('/v1/lake/namespaces', { namespace: ['refused'], properties: properties(9_900, 'key', 'x'.repeat(180)) }),
      ],
    },
    { what: 'a commit of 9 times 99,000 properties', status: 400, requests: () => [commit(nine)] },
    { what: 'the same with an idempotency key', status: 400, requests: () => [commit(nine, keyed)] },
    {
      what: 'a commit of half a million values',
      status: 400,
      requests: () => [commit([{ action: 'x', list: Array.from({ length: 990_000 }, () => 0) }])],
    },
    { what: 'a commit of 5 MB of text', status: 400, requests: () => [commit([{ action: 'x'.repeat(5_000_000) }])] },
    {
      what: 'a commit of 9,900 updates',
      status: 200,
      requests: () => [commit(Array.from({ length: 9_900 }, (_, n) => setProperties({ key: String(n) })))],
    },
    {
      what: 'a transaction of small commits to 300 tables',
      status: 204,
      requests: (n) => [
        post('/v1/lake/transactions/commit', { 'table-changes': changes(() => [setProperties({ key: String(n) })]) }),
      ],
    },
    {
      what: 'a transaction of 9 MB for 300 tables',
      status: 204,
      requests: (n) => [
        post('/v1/lake/transactions/commit', {
          'table-changes': changes(() => [setProperties(properties(300, `n${n % 2}`, 'x'.repeat(80)))]),
        }),
      ],
    },
    {
      what: 'a transaction of 4 kB each for 300 tables',
      status: 204,
      requests: (n) => [
        post('/v1/lake/transactions/commit', {
          'table-changes': changes(() => [setProperties(properties(100, `m${n}`, 'x'.repeat(20)))]),
        }),
      ],
    },
    {
      what: 'the log of those transactions',
      status: 200,
      requests: () => [get('/api/v1/branches/main/commits?catalog=lake&limit=1000')],
    },
    {
      what: 'commits of 5 MB of schemas each',
      status: 200,
      requests: (n) => [commit(addSchemas(n * 100, 25)), commit(addSchemas(n * 100 + 25, 25))],
    },
    { what: 'a small commit to that table', status: 200, requests: (n) => [commit([setProperties({ a: String(n) })])] },
    { what: 'a load of that table', status: 200, requests: () => [get(wide)] },
    { what: 'a load of that table, snapshots=refs', status: 200, requests: () => [get(`${wide}?snapshots=refs`)] },
    {
      what: 'a compressed load of that table',
      status: 200,
      requests: () => [{ ...get(wide), headers: { ...headers, 'Accept-Encoding': 'gzip' } }],
    },
  ]
}
