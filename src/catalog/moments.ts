/**
 * Moments of a catalog's past, as people and clients write them: a position of its log, the id of a change, or a time. Each is
 * resolved to a position, which never changes what it was.
 */
import { IcebergError } from '../iceberg/errors.ts'
import { logKeyOf } from '../history/logs.ts'
import { lastUntil } from '../history/times.ts'
import type { Row } from '../stores/entities.ts'
import type { CatalogContext, CatalogHandle } from './call.ts'

/** The catalog exists, and has no such moment. */
export class NoSuchMoment extends IcebergError {
  readonly catalog: CatalogHandle

  constructor(catalog: CatalogHandle, message: string) {
    super('NotFoundException', message)
    this.catalog = catalog
  }
}

type Parts = Pick<CatalogContext, 'store' | 'now' | 'sequencer'>

const POSITION = /^\d{1,15}$/
const CHANGE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** ISO 8601 with its zone, whose plus may have become a space on the way. DuckDB writes it in lower case. */
const TIME = /^\d{4}-\d{2}-\d{2}t\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:z|[+ -]\d{2}:?\d{2})$/i
/** What begins so is meant as one. */
const DATE = /^\d{4}-\d{2}-\d{2}/

/** Whether text could name a moment at all. */
export const isMoment = (text: string): boolean => POSITION.test(text) || CHANGE.test(text) || DATE.test(text)

/** @throws NoSuchMoment 404 that says what was looked for */
export async function positionOf(parts: Parts, catalog: CatalogHandle, text: string): Promise<number> {
  if (POSITION.test(text)) return knownPosition(parts, catalog, Number(text))
  if (CHANGE.test(text)) return positionOfChange(parts, catalog, text.toLowerCase())
  return positionAt(parts, catalog, text)
}

const headOf = ({ store }: Parts, catalog: CatalogHandle): Promise<Row<'logs'> | undefined> =>
  store.get('logs', logKeyOf(catalog))

/** The head when all that was acknowledged before has its position. */
async function settledHead(parts: Parts, catalog: CatalogHandle): Promise<Row<'logs'> | undefined> {
  await parts.sequencer.settle()
  return headOf(parts, catalog)
}

async function knownPosition(parts: Parts, catalog: CatalogHandle, position: number): Promise<number> {
  let head = await headOf(parts, catalog)
  if (head === undefined || head.position < position) head = await settledHead(parts, catalog)
  const last = head?.position ?? 0
  if (position > last) {
    throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no position ${position}: its last change has position ${last}`)
  }
  const first = Math.max(1, head?.first_position ?? 0)
  if (position >= first) return position
  throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no position ${position}: what is kept begins at ${first}`)
}

async function positionOfChange(parts: Parts, catalog: CatalogHandle, id: string): Promise<number> {
  const key = { ...logKeyOf(catalog), id }
  let row = await parts.store.get('commits', key)
  if (row?.position === null) {
    await parts.sequencer.settle()
    row = await parts.store.get('commits', key)
  }
  if (typeof row?.position === 'number') return knownPosition(parts, catalog, row.position)
  throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no change ${id}`)
}

async function positionAt(parts: Parts, catalog: CatalogHandle, text: string): Promise<number> {
  const time = TIME.test(text) ? Date.parse(text.toUpperCase().replace(' ', '+')) : NaN
  if (!Number.isFinite(time)) {
    const shown = text.slice(0, 100).toWellFormed()
    const expected = 'expected a time with its zone, such as 2026-11-29T12:00:00Z'
    throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no moment ${shown}: ${expected}`)
  }
  const now = parts.now()
  if (time > now) {
    throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no moment ${text} yet: it is ${new Date(now).toISOString()}`)
  }
  const known = await headOf(parts, catalog)
  // What comes later must not be of this time or before: the moment would be another one then.
  const head = known !== undefined && known.at > time ? known : await parts.sequencer.settleUntil(logKeyOf(catalog), time)
  if (head === undefined) throw new NoSuchMoment(catalog, `Catalog ${catalog.name} has no changes`)
  if (head.at <= time) return head.position
  const found = await lastUntil(parts.store, catalog, time, head)
  if (found !== undefined) return found
  const begin = await parts.store.get('positions', { ...logKeyOf(catalog), position: head.first_position + 1 })
  const since = begin === undefined ? '' : `: what is kept of it begins at ${new Date(begin.at).toISOString()}`
  throw new NoSuchMoment(catalog, `Catalog ${catalog.name} was not there at ${text}${since}`)
}
