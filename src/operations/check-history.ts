/**
 * Whether the end of each log's history is what its catalog is now: what has a name, and which metadata file it leads to. Servers may
 * be at work: what differs is looked at again, until nothing of it changed meanwhile and no change of the catalog waits for its place.
 * A value that the history does not know is nothing to compare.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Key, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Store } from '../stores/store.ts'

type Head = Row<'entries'> | Row<'namespaces'>
type Log = Key<'logs'>

interface Place extends Log {
  readonly kind: string
  readonly parent: string
  readonly name: string
}

/** `head`: the row of what has the name now; `state`: what has it by the history. One of them may be missing. */
export interface Difference {
  readonly head: Head | undefined
  readonly state: Row<'states'> | undefined
  readonly what: string
}

const PAGE = 200
const ATTEMPTS = 20
/** Longer than a sequencer takes. */
const PAUSE_MS = 200

/** How the history of a log ends otherwise than its catalog. A catalog that never rests is left alone. */
export async function* historyDifferences(store: Store, log: Log): AsyncGenerator<Difference> {
  const where = { ...log }
  const walks = [
    mappedPages(pagesOf(store, 'namespaces', { index: 'primary', where, pageRows: PAGE }), placeOfNamespace),
    mappedPages(pagesOf(store, 'entries', { index: 'primary', where, pageRows: PAGE }), placeOfEntry),
    mappedPages(pagesOf(store, 'states', { index: 'primary', where, pageRows: PAGE }), placeOfState),
  ]
  for (const [n, walk] of walks.entries()) {
    const isOfStates = n === walks.length - 1
    for await (const places of walk) {
      const doubts = await Promise.all(places.map((place) => compare(store, place)))
      for (const [at, doubt] of doubts.entries()) {
        // What is there now was compared before.
        if (doubt === undefined || (isOfStates && doubt.head !== undefined)) continue
        const difference = await surely(store, log, places[at]!)
        if (difference === 'restless') return
        if (difference !== undefined) yield difference
      }
    }
  }
}

async function* mappedPages<T>(pages: AsyncIterable<T[]>, of: (row: T) => Place | undefined): AsyncGenerator<Place[]> {
  for await (const page of pages) yield page.map(of).filter((place) => place !== undefined)
}

const logOf = ({ tenant_id, catalog_id, branch }: Log): Log => ({ tenant_id, catalog_id, branch })

const placeOfNamespace = (row: Row<'namespaces'>): Place | undefined =>
  row.deleted ? undefined : { ...logOf(row), kind: 'namespace', parent: row.parent, name: row.name }

const placeOfEntry = (row: Row<'entries'>): Place | undefined =>
  row.deleted ? undefined : { ...logOf(row), kind: row.kind, parent: row.namespace, name: row.name }

const placeOfState = ({ until, kind, parent, name, ...row }: Row<'states'>): Place | undefined =>
  until === null ? { ...logOf(row), kind, parent, name } : undefined

async function headOf(store: Store, { kind, parent, name, ...log }: Place): Promise<Head | undefined> {
  const row =
    kind === 'namespace'
      ? await store.get('namespaces', { ...log, parent, name })
      : await store.get('entries', { ...log, namespace: parent, name })
  return row === undefined || row.deleted || ('kind' in row && row.kind !== kind) ? undefined : row
}

async function compare(store: Store, place: Place): Promise<Difference | undefined> {
  const { kind, parent, name, ...log } = place
  const last = { index: 'primary', descending: true, limit: 1 } as const
  const [head, [newest], [version]] = await Promise.all([
    headOf(store, place),
    store.list('states', { ...last, where: { ...log, kind, parent, name } }),
    kind === 'namespace' ? [] : store.list('versions', { ...last, where: { ...log, namespace: parent, name } }),
  ])
  const state = newest?.until === null ? newest : undefined
  const what = differenceOf(head, state, version?.metadata_location)
  return what === undefined ? undefined : { head, state, what }
}

function differenceOf(head: Head | undefined, state: Row<'states'> | undefined, file: string | undefined): string | undefined {
  if (state === undefined) return head === undefined ? undefined : 'nothing has the name'
  if (head === undefined) return `a ${state.kind} has the name`
  if (differs(state.id, head.id)) return `the id is ${state.id}, not ${head.id}`
  if (!('metadata_location' in head)) {
    // A state without an id was recorded by a version that recorded no properties.
    const isSame = state.id === null || state.properties === null || isEqual(state.properties, head.properties)
    return isSame ? undefined : 'the properties are others'
  }
  if (file !== head.metadata_location) return `the metadata file is ${file ?? 'not known'}, not ${head.metadata_location}`
  if (differs(state.uuid, head.uuid)) return `the uuid is ${state.uuid}, not ${head.uuid}`
  return differs(state.location, head.location) ? `the location is ${state.location}, not ${head.location}` : undefined
}

const differs = (known: string | null, now: string | null): boolean => known !== null && now !== null && known !== now

function isEqual(left: unknown, right: unknown): boolean {
  const [one, other] = [left, right].map((value) => Object.entries(value as object)) as [[string, unknown][], [string, unknown][]]
  const values = new Map(other)
  return one.length === other.length && one.every(([key, value]) => values.get(key) === value)
}

/** Looks until nothing has changed between two looks beside which no change waited for its place. */
async function surely(store: Store, log: Log, place: Place): Promise<Difference | 'restless' | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await headOf(store, place)
    if (!(await isWaiting(store, log))) {
      const difference = await compare(store, place)
      if (difference === undefined) return undefined
      if (before?.version === difference.head?.version) return difference
    }
    await sleep(PAUSE_MS)
  }
  return 'restless'
}

async function isWaiting(store: Store, { tenant_id, catalog_id, branch }: Log): Promise<boolean> {
  for await (const page of pagesOf(store, 'commits', { index: 'pending', where: { position: null }, pageRows: PAGE })) {
    if (page.some((row) => row.tenant_id === tenant_id && row.catalog_id === catalog_id && row.branch === branch)) return true
  }
  return false
}
