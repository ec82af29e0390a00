/**
 * The end of history: lines that are older than what is kept go, oldest first, with what only they could be read by. The state at
 * the last of them stays readable, and so does everything behind it.
 */
import type { Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation, Store } from '../stores/store.ts'
import { effectsOf, namesOf, type Name } from './effects.ts'
import { logOf, type LogKey } from './logs.ts'

/** Lines of one batch. */
const BATCH = 50
/** Rows of one name that go in one batch; the rest go with a later one. */
const MOST_OF_A_NAME = 200

type Log = Row<'logs'>

/** @returns how many lines went */
export async function expireHistory(store: Store, before: number, stopped: () => boolean = () => false): Promise<number> {
  let total = 0
  for await (const page of pagesOf(store, 'logs', { index: 'primary', where: {} })) {
    for (const log of page) {
      while (!stopped()) {
        const gone = await expireSome(store, logOf(log), before)
        total += gone
        if (gone < BATCH) break
      }
    }
  }
  return total
}

async function expireSome(store: Store, key: LogKey, before: number): Promise<number> {
  const log = await store.get('logs', key)
  if (log === undefined) return 0
  const after = { ...key, position: log.first_position }
  const places = await store.list('positions', { index: 'primary', where: key, after, limit: BATCH })
  // Times never go back along a log.
  const due = places.filter(({ at }) => at < before)
  const last = due.at(-1)
  if (last === undefined) return 0
  const rows = await store.getMany(
    'commits',
    due.map(({ commit_id: id }) => ({ ...key, id })),
  )
  const lines = rows.filter((row) => row !== undefined)
  const steps = [
    moved(log, last),
    ...due.map(({ position, version }): Mutation => ({
      op: 'remove',
      entity: 'positions',
      key: { ...key, position },
      expected: version,
    })),
    ...lines.map(({ id, version }): Mutation => ({ op: 'remove', entity: 'commits', key: { ...key, id }, expected: version })),
    ...(await superseded(store, key, lines, last.position)),
  ]
  try {
    await store.write(steps)
    return due.length
  } catch (error) {
    // The log has grown meanwhile, or another process does the same.
    if (error instanceof StoreError && error.kind === 'conflict') return 0
    throw error
  }
}

function moved(log: Log, last: Row<'positions'>): Mutation {
  const { version: expected, ...row } = log
  const next = { ...row, first_position: last.position, first_hash: last.hash }
  return { op: 'replace', entity: 'logs', row: next, expected }
}

/** What the names had before the last of these lines, and have no more at its position. */
async function superseded(store: Store, key: LogKey, lines: readonly Row<'commits'>[], position: number): Promise<Mutation[]> {
  const names = new Map<string, Name>()
  for (const { operations } of lines) {
    for (const name of effectsOf(operations).flatMap(namesOf)) names.set(`${name.kind}\n${name.parent}\n${name.name}`, name)
  }
  return (await Promise.all([...names.values()].map((name) => ofName(store, key, name, position)))).flat()
}

async function ofName(store: Store, key: LogKey, { kind, parent, name }: Name, position: number): Promise<Mutation[]> {
  const [state, version] = [
    { ...key, kind, parent, name },
    { ...key, namespace: parent, name },
  ]
  const [states, versions] = await Promise.all([
    store.list('states', { index: 'primary', where: state, limit: MOST_OF_A_NAME }),
    kind === 'namespace' ? [] : store.list('versions', { index: 'primary', where: version, limit: MOST_OF_A_NAME }),
  ])
  const over = states.filter(({ until }) => until !== null && until <= position)
  // The last of those up to the position is what the name has there, if it has anything.
  const upTo = versions.filter((row) => row.position <= position)
  const isThere = states.some(({ since, until }) => since <= position && (until === null || until > position))
  const isAllRead = states.length < MOST_OF_A_NAME && versions.length < MOST_OF_A_NAME
  const old = isThere || !isAllRead ? upTo.slice(0, -1) : upTo
  return [
    ...over.map(({ since, version: expected }): Mutation => ({
      op: 'remove',
      entity: 'states',
      key: { ...state, since },
      expected,
    })),
    ...old.map(({ position: at, version: expected }): Mutation => ({
      op: 'remove',
      entity: 'versions',
      key: { ...version, position: at },
      expected,
    })),
  ]
}
