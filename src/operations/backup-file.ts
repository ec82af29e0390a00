/** Reads backup files, distrustfully: nothing of a file is used before all of it was found whole and in order. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { createGunzip } from 'node:zlib'
import { pipeline } from 'node:stream'
import type { EntityName, NewRow } from '../stores/entities.ts'
import { decodeRow, tableOf } from '../stores/tables.ts'
import type { Value } from '../stores/tables.ts'
import { OperationError } from './fill.ts'
import { compareItems, Digester, entityNames, itemOf } from './rows.ts'
import type { EntityDigest, Item, Progress } from './rows.ts'

export const FORMAT = 'pangolin-store-backup'
export const FORMAT_VERSION = 1
/** A row is at most about as large as the largest request body. */
const MAX_LINE = 256 * 1024 * 1024

export interface Header {
  readonly format: string
  readonly version: number
  readonly created_at: string
  readonly columns: { readonly [entity: string]: readonly string[] }
}

const damaged = (file: string, what: string, cause?: unknown): OperationError =>
  new OperationError(`${file} is damaged or no backup: ${what}`, cause === undefined ? undefined : { cause })

/** By line feeds alone: other line ends of Unicode may stand within a row. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const inflated = createGunzip()
  // What breaks the reading breaks the iteration below too, which is where it is told.
  pipeline(createReadStream(file), inflated, () => {})
  const decoder = new StringDecoder('utf8')
  // A long line comes in many chunks: each is looked through once.
  let begun: string[] = []
  let characters = 0
  try {
    for await (const chunk of inflated as AsyncIterable<Buffer>) {
      const [first = '', ...more] = decoder.write(chunk).split('\n')
      begun.push(first)
      characters += first.length
      if (characters > MAX_LINE) throw damaged(file, 'a line is too long')
      if (more.length === 0) continue
      yield begun.join('')
      const last = more.pop() as string
      yield* more
      begun = [last]
      characters = last.length
    }
  } catch (error) {
    if (error instanceof OperationError) throw error
    throw damaged(file, (error as Error).message, error)
  }
  if (characters > 0) throw damaged(file, 'its last line is not whole')
}

function parse(file: string, line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw damaged(file, 'a line is no JSON', error)
  }
}

function checkHeader(file: string, value: unknown): Header {
  const header = value as Partial<Header> | null
  if (header?.format !== FORMAT || typeof header.version !== 'number') throw damaged(file, 'it has no header of ours')
  if (header.version > FORMAT_VERSION) {
    throw new OperationError(
      `${file} has format version ${header.version}; this program knows ${FORMAT_VERSION}. Use a newer one.`,
    )
  }
  const columns: unknown[] = Object.values(header.columns ?? {})
  if (columns.length === 0 || !columns.every(Array.isArray)) throw damaged(file, 'its header names no columns')
  return header as Header
}

/** Puts the values of a line where this program's columns are. */
function columnMapping(file: string, { columns }: Header, entity: EntityName): readonly number[] {
  const names: readonly string[] = Object.hasOwn(columns, entity) ? (columns[entity] as readonly string[]) : []
  const table = tableOf(entity)
  const unknown = names.find((name) => !table.columns.some((column) => column.name === name))
  if (unknown !== undefined) {
    throw new OperationError(`${file} was made by a newer version of this program: it has the column ${entity}.${unknown}`)
  }
  return table.columns.map(({ name }) => names.indexOf(name))
}

function toItem(file: string, entity: EntityName, mapping: readonly number[], line: readonly unknown[]): Item {
  const values = mapping.map((position) => (position < 0 ? null : (line[position] ?? null))) as Value[]
  try {
    const { version: _, ...row } = decodeRow(tableOf(entity), values, 1)
    return itemOf(entity, row as unknown as NewRow<EntityName>)
  } catch (error) {
    throw damaged(file, `a row of ${entity} has values that it can't have`, error)
  }
}

/** What passes by while a file is read. */
interface Visitor {
  readonly header?: (header: Header) => void
  readonly entityRead?: (entity: EntityName, digest: EntityDigest) => void
}

/** The rows of a file, in order. @throws OperationError where the file stops being a whole backup */
export async function* readBackup(file: string, visitor: Visitor = {}): AsyncGenerator<Item> {
  let header: Header | undefined
  let mapping: readonly number[] = []
  let at = 0
  let total = 0
  let complete = false
  let previous: Item | undefined
  const digester = new Digester()
  for await (const line of linesOf(file)) {
    const value = parse(file, line)
    if (complete) throw damaged(file, 'it goes on behind its end')
    if (header === undefined) {
      header = checkHeader(file, value)
      assertKnown(file, header)
      visitor.header?.(header)
      at = nextEntity(header, 0)
      mapping = columnMapping(file, header, entityNames[at] as EntityName)
      continue
    }
    const entity = entityNames[at]
    if (Array.isArray(value) && entity !== undefined) {
      const item = toItem(file, entity, mapping, value)
      if (previous !== undefined && compareItems(previous, item) >= 0) throw damaged(file, `rows of ${entity} are not in order`)
      previous = item
      digester.add(entity, line)
      total++
      yield item
    } else if (entity !== undefined) {
      checkEnd(file, entity, digester.digest(entity), value)
      visitor.entityRead?.(entity, digester.digest(entity))
      at = nextEntity(header, at + 1)
      if (at < entityNames.length) mapping = columnMapping(file, header, entityNames[at] as EntityName)
    } else {
      const end = value as { readonly complete?: unknown; readonly rows?: unknown } | null
      if (end?.complete !== true || end.rows !== total) throw damaged(file, 'its end is not the one it should have')
      complete = true
    }
  }
  if (!complete) throw damaged(file, 'its end is missing')
}

/** Entities that are newer than the file have no part in it. */
function nextEntity(header: Header, from: number): number {
  let at = from
  while (at < entityNames.length && !Object.hasOwn(header.columns, entityNames[at] as string)) at++
  return at
}

function assertKnown(file: string, header: Header): void {
  const unknown = Object.keys(header.columns).find((name) => !(entityNames as readonly string[]).includes(name))
  if (unknown !== undefined) throw new OperationError(`${file} was made by a newer version of this program: it has ${unknown}`)
  const order = entityNames.filter((name) => Object.hasOwn(header.columns, name))
  if (order.join() !== Object.keys(header.columns).join()) throw damaged(file, 'its entities are not in order')
}

function checkEnd(file: string, entity: EntityName, digest: EntityDigest, value: unknown): void {
  const end = value as { readonly end?: unknown; readonly rows?: unknown; readonly sha256?: unknown } | null
  if (end?.end !== entity) throw damaged(file, `the end of ${entity} is missing`)
  if (end.rows !== digest.rows) throw damaged(file, `${entity} has ${digest.rows} rows, not ${String(end.rows)}`)
  if (end.sha256 !== digest.sha256) throw damaged(file, `the rows of ${entity} are not those that were written`)
}

export interface VerifiedBackup {
  /** Names the content, not the file. */
  readonly identity: string
  readonly rows: number
}

/** Reads all of a file. @throws OperationError */
export async function verifyBackup(file: string, progress: Progress = () => {}): Promise<VerifiedBackup> {
  const content = createHash('sha256')
  let createdAt = ''
  let rows = 0
  const visitor: Visitor = {
    header: (header) => (createdAt = header.created_at),
    entityRead: (entity, digest) => content.update(`${entity} ${digest.rows} ${digest.sha256}\n`),
  }
  for await (const { entity } of readBackup(file, visitor)) progress('verify', entity, ++rows)
  return { identity: `the backup of ${createdAt} (${content.digest('hex').slice(0, 16)})`, rows }
}
