/**
 * A whole store as one ordered stream: entity by entity as they are declared, each in the order of its keys. Copying,
 * backing up and comparing stores are walks along such streams, so that none of them ever holds more than a page.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { entities } from '../stores/entities.ts'
import type { EntityName, NewRow, Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import { compareValues, encodeRow, tableOf } from '../stores/tables.ts'
import type { Value } from '../stores/tables.ts'

export const entityNames = Object.keys(entities) as readonly EntityName[]

/** A row on its way from one store to another. */
export interface Item {
  readonly entity: EntityName
  /** Without its version: a version belongs to one store. */
  readonly row: NewRow<EntityName>
  /** In the order of the columns; JSON is its text. */
  readonly values: readonly Value[]
  /** All values as one text: equal lines are equal rows. */
  readonly line: string
}

/** The stored row, for those who remove it or look whether it was written again. */
export interface StoredItem extends Item {
  readonly version: number
}

export const keyOf = ({ entity, values }: Item): readonly Value[] =>
  tableOf(entity).key.map((position) => values[position] as Value)

/** How people see a key: the levels of a namespace joined by dots. */
export const displayKey = (item: Item): string =>
  keyOf(item)
    .map((value) => String(value).replaceAll('\u001f', '.'))
    .join('/')

export function itemOf(entity: EntityName, row: NewRow<EntityName>): Item {
  const values = encodeRow(tableOf(entity), row as unknown as Readonly<Record<string, unknown>>)
  return { entity, row, values, line: JSON.stringify(values) }
}

/** Before (negative), at, or behind another item in the one order of all rows. */
export function compareItems(left: Item, right: Item): number {
  if (left.entity !== right.entity) return entityNames.indexOf(left.entity) - entityNames.indexOf(right.entity)
  const other = keyOf(right)
  for (const [at, value] of keyOf(left).entries()) {
    const order = compareValues(value, other[at] as Value)
    if (order !== 0) return order
  }
  return 0
}

/** Pages shrink where rows are large (metrics reports, properties), so that a page never weighs much more than this. */
const PAGE_CHARACTERS = 4_000_000
const [SMALLEST_PAGE, FIRST_PAGE, LARGEST_PAGE] = [4, 100, 1000]

function nextLimit(limit: number, characters: number): number {
  if (characters > PAGE_CHARACTERS) return Math.max(SMALLEST_PAGE, Math.floor(limit / 4))
  return characters < PAGE_CHARACTERS / 4 ? Math.min(LARGEST_PAGE, limit * 2) : limit
}

/** What a stream is read from: a store, or a snapshot of one. */
export type Listable = Pick<Store, 'list'>

export async function* rowsOf(store: Listable, entity: EntityName): AsyncGenerator<StoredItem> {
  let after: Row<EntityName> | undefined
  for (let limit = FIRST_PAGE; ;) {
    const page: Row<EntityName>[] = await store.list(entity, { index: 'primary', where: {}, limit, ...(after && { after }) })
    let characters = 0
    for (const row of page) {
      const { version, ...rest } = row
      const item = itemOf(entity, rest as NewRow<EntityName>)
      characters += item.line.length
      yield { ...item, version }
    }
    after = page.at(-1)
    if (page.length < limit || after === undefined) return
    limit = nextLimit(limit, characters)
  }
}

/** The row that says that a store is being filled; it belongs to the filling and to no copy. See `fill.ts`. */
export const FILLING = 'store-filling'

export const isFilling = ({ entity, row }: Item): boolean => entity === 'tasks' && (row as NewRow<'tasks'>).id === FILLING

export async function* allRows(store: Listable): AsyncGenerator<StoredItem> {
  for (const entity of entityNames) {
    for await (const item of rowsOf(store, entity)) if (!isFilling(item)) yield item
  }
}

export interface EntityDigest {
  readonly rows: number
  /** SHA-256 of the lines, each with a line feed behind it. */
  readonly sha256: string
}
export type Digests = { readonly [entity: string]: EntityDigest }

/** Counts and hashes rows that pass by. */
export class Digester {
  readonly #rows = new Map<EntityName, { rows: number; readonly hash: Hash }>(
    entityNames.map((entity) => [entity, { rows: 0, hash: createHash('sha256') }]),
  )

  add(entity: EntityName, line: string): void {
    const state = this.#rows.get(entity) as { rows: number; readonly hash: Hash }
    state.rows++
    state.hash.update(line).update('\n')
  }

  digest(entity: EntityName): EntityDigest {
    const { rows, hash } = this.#rows.get(entity) as { rows: number; readonly hash: Hash }
    return { rows, sha256: hash.copy().digest('hex') }
  }

  all(): Digests {
    return Object.fromEntries(entityNames.map((entity) => [entity, this.digest(entity)]))
  }
}

/** Entities whose rows differ, in words. */
export function differences(before: Digests, after: Digests): string[] {
  return entityNames.flatMap((entity) => {
    const [left, right] = [before[entity] as EntityDigest, after[entity] as EntityDigest]
    if (left.sha256 === right.sha256 && left.rows === right.rows) return []
    return [left.rows === right.rows ? `${entity}: other content` : `${entity}: ${left.rows} rows, then ${right.rows}`]
  })
}

export const totalRows = (digests: Digests): number => Object.values(digests).reduce((sum, { rows }) => sum + rows, 0)

/** What the operator is told while a long walk lasts. */
export type Progress = (step: string, entity: EntityName, rows: number) => void

export async function digestStore(store: Listable, progress: Progress = () => {}): Promise<Digests> {
  const digester = new Digester()
  let rows = 0
  for await (const { entity, line } of allRows(store)) {
    digester.add(entity, line)
    progress('verify', entity, ++rows)
  }
  return digester.all()
}
