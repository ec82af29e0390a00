/** Changes of all kinds that a server of the version before makes, and what the catalog was after each of them. */
import type { RunningServer } from '../clients/server.ts'
import { setting, viewVersion } from '../requests.ts'

/** What was after a change. */
export interface Moment {
  /** Of the change, in the log. */
  readonly id: string
  readonly what: string
  /** Metadata files of tables and views, by name. */
  readonly tables: Readonly<Record<string, string>>
  readonly views: Readonly<Record<string, string>>
  readonly namespaces: readonly string[]
}

const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }
const table = (name: string) => ({ namespace: ['n'], name })
const within = (path: readonly string[]): string => encodeURIComponent(path.join('\u001f'))

// oxlint-disable-next-line no-explicit-any -- answers of many shapes
export type Ask = (method: string, path: string, body?: object) => Promise<any>

/** @throws for every answer that is an error */
export const askingOf =
  (server: RunningServer): Ask =>
  async (method, path, body) => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const answer = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

/** What the catalog is, or was, as `lake` or `lake@<position>`. */
export async function pictureOf(ask: Ask, catalog: string): Promise<Omit<Moment, 'id' | 'what'>> {
  const [tables, views, namespaces]: [Record<string, string>, Record<string, string>, string[]] = [{}, {}, []]
  const at = `/v1/${catalog}/namespaces`
  const visit = async (path: readonly string[]): Promise<void> => {
    const parent = path.length === 0 ? '' : `?parent=${within(path)}`
    for (const levels of (await ask('GET', at + parent)).namespaces as string[][]) {
      namespaces.push(levels.join('.'))
      for (const [kind, found] of [['tables', tables] as const, ['views', views] as const]) {
        for (const { name } of (await ask('GET', `${at}/${within(levels)}/${kind}`)).identifiers as { name: string }[]) {
          const loaded = await ask('GET', `${at}/${within(levels)}/${kind}/${name}`)
          found[`${levels.join('.')}.${name}`] = loaded['metadata-location']
        }
      }
      await visit(levels)
    }
  }
  await visit([])
  return { tables, views, namespaces: namespaces.toSorted() }
}

/** Makes them one by one. */
export async function makeOldChanges(ask: Ask): Promise<Moment[]> {
  const moments: Moment[] = []
  const at = '/v1/lake/namespaces'
  const change = async (what: string, method: string, path: string, body?: object) => {
    const answer = await ask(method, path, body)
    const [{ id }] = await ask('GET', '/api/v1/catalogs/lake/commits')
    moments.push({ id, what, ...(await pictureOf(ask, 'lake')) })
    return answer
  }
  await change('a namespace', 'POST', at, { namespace: ['n'], properties: { owner: 'ada' } })
  await change('a namespace in it', 'POST', at, { namespace: ['n', 'inner'] })
  for (const name of ['t', 'renamed', 'dropped', 'purged', 'unregistered', 'again']) {
    await change(`table ${name}`, 'POST', `${at}/n/tables`, { name, schema })
  }
  await change('a table further in', 'POST', `${at}/${within(['n', 'inner'])}/tables`, { name: 't', schema })
  await change('a view', 'POST', `${at}/n/views`, { name: 'v', schema, 'view-version': viewVersion('n'), properties: {} })
  await change('a commit', 'POST', `${at}/n/tables/t`, setting('one'))
  await change('a commit to the view', 'POST', `${at}/n/views/v`, {
    updates: [{ action: 'set-properties', updates: { a: 'b' } }],
  })
  const both = ['t', 'renamed'].map((name) => ({ identifier: table(name), ...setting('two') }))
  await change('a transaction', 'POST', '/v1/lake/transactions/commit', { 'table-changes': both })
  const names = { source: table('renamed'), destination: { namespace: ['n', 'inner'], name: 'other' } }
  await change('a rename', 'POST', '/v1/lake/tables/rename', names)
  await change('a commit by the new name', 'POST', `${at}/${within(['n', 'inner'])}/tables/other`, setting('three'))
  await change('a drop', 'DELETE', `${at}/n/tables/dropped`)
  await change('a purge', 'DELETE', `${at}/n/tables/purged?purgeRequested=true`)
  await change('a drop before the name is used again', 'DELETE', `${at}/n/tables/again`)
  await change('the name again', 'POST', `${at}/n/tables`, { name: 'again', schema })
  const left = await change('an unregistering', 'POST', `${at}/n/tables/unregistered/unregister`, {})
  const file = left['metadata-location']
  await change('a registering', 'POST', `${at}/n/register`, { name: 'back', 'metadata-location': file })
  await change('properties', 'POST', `${at}/n/properties`, { updates: { owner: 'eve', more: 'x' }, removals: [] })
  await change('a namespace for a while', 'POST', at, { namespace: ['while'] })
  await change('the end of it', 'DELETE', `${at}/while`)
  return moments
}
