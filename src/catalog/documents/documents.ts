/**
 * Metadata files and the answers made of them. A load moves bytes: the JSON of the file is put between a prefix and a
 * suffix once, and from then on answered as it is. Only commits, and the first `snapshots=refs` of a file, parse.
 */
import { hash } from 'node:crypto'
import { displayIdentifier, IcebergError, validationFailed } from '../../iceberg/errors.ts'
import { namespaceOfKey } from '../../iceberg/identifier.ts'
import { parse as parseJson } from '../../iceberg/json.ts'
import type { JsonValue } from '../../iceberg/json.ts'
import type { JsonParts } from '../../iceberg/json-parts.ts'
import { checkMetadata, MetadataFault } from '../../iceberg/metadata-check.ts'
import { refsOnly } from '../../iceberg/refs-only.ts'
import { parseForeignTableMetadata, parseTableMetadata, serializeTableMetadata } from '../../iceberg/table-metadata.ts'
import type { TableMetadata } from '../../iceberg/table-metadata.ts'
import { parseViewMetadata } from '../../iceberg/view-metadata.ts'
import type { ViewMetadata } from '../../iceberg/view-metadata.ts'
import { StorageError } from '../../storage/storage.ts'
import type { CatalogContext, CatalogHandle, MetadataAnswer } from '../call.ts'
import { behindDocument, compose, type ClientConfig, type Composed } from './compose.ts'
import type { Entry } from '../entries.ts'
import { FOREIGN_LIMITS, type NewFile } from '../commits/format-work.ts'
import {
  checkLarge,
  composeLarge,
  foreignTableOfLarge,
  identityOfLarge,
  INLINE_COPY,
  INLINE_FILE,
  refsOfLarge,
} from './large-documents.ts'
import { storageFailure, readFile, asBuffer, assertStillThere } from './metadata-files.ts'
import type { CachedDocument, ComposedAnswer, SnapshotsMode } from './metadata-cache.ts'
import { soon, type Soon } from '../soon.ts'

/** What of an entry's row says which file is its current one, and what the file must say of itself. */
export type Pointer = Pick<Entry, 'kind' | 'namespace' | 'name' | 'id' | 'uuid' | 'metadata_location'> & {
  /** Undefined where the entry may have been elsewhere when the file was written. */
  readonly location: string | undefined
}
type Named = Pick<Pointer, 'id' | 'uuid' | 'metadata_location'>

/** What a file is answered as depends on the entry: a table that has no uuid in its file has one of its entry. */
const identityOf = ({ id, uuid, metadata_location }: Named): string => `${uuid ?? id}\n${metadata_location}`

export const cacheKey = (catalog: CatalogHandle, entry: Named): string =>
  `${catalog.configVersion}\n${catalog.id}\n${identityOf(entry)}`

/**
 * A file of an entry that is not what it was, or never was what it must be: the server's fault and not the caller's, and said
 * without a word of what the file says.
 */
export function asFault(error: unknown, entry: Pointer): unknown {
  const { kind, metadata_location: file } = entry
  const isOurs = error instanceof MetadataFault || (error instanceof IcebergError && error.code === 400)
  const isTooLarge = error instanceof StorageError && error.kind === 'too-large'
  if (!isOurs && !isTooLarge) return storageFailure(error, file)
  const what = error instanceof MetadataFault ? error.message : 'can not be read'
  const title = kind === 'view' ? 'View' : 'Table'
  const identifier = displayIdentifier({ namespace: namespaceOfKey(entry.namespace), name: entry.name })
  const message = `${title} ${identifier} can not be used: its metadata file ${file} ${what}`
  return new IcebergError('InternalServerError', message, { cause: error, details: { metadataFile: file } })
}

/** What a file of the entry is answered as. */
export function checkedFor(context: CatalogContext, catalog: CatalogHandle, entry: Pointer, json: Buffer): Soon<Buffer> {
  const { id, uuid, location } = entry
  const owner = { kind: entry.kind === 'view' ? 'view' : 'table', id, uuid, location } as const
  return json.length > INLINE_FILE ? checkLarge(context, catalog, owner, json) : asBuffer(checkMetadata(json, owner))
}

/** @throws IcebergError 500 for a file that must not be answered */
async function readChecked(context: CatalogContext, catalog: CatalogHandle, entry: Pointer): Promise<Buffer> {
  try {
    return await checkedFor(context, catalog, entry, await readFile(catalog, entry.metadata_location))
  } catch (error) {
    throw asFault(error, entry)
  }
}

/** The entry's current file, checked when it is read. */
export function readDocument(context: CatalogContext, catalog: CatalogHandle, entry: Pointer): Promise<CachedDocument> {
  return context.cache.load(cacheKey(catalog, entry), () => readChecked(context, catalog, entry))
}

function parsedFor<M>(entry: Pointer, json: Buffer, parse: (json: Buffer) => M): M {
  try {
    return parse(json)
  } catch (error) {
    throw asFault(error, entry)
  }
}

const jsonBytes = new WeakMap<object, number>()

/** Of the document that metadata was read from or written as. */
export const jsonBytesOf = (metadata: object | undefined): number => (metadata === undefined ? 0 : (jsonBytes.get(metadata) ?? 0))

async function readParsed<M extends object>(
  context: CatalogContext,
  catalog: CatalogHandle,
  entry: Pointer,
  parse: (json: Buffer) => M,
): Promise<M> {
  const key = cacheKey(catalog, entry)
  const known = context.cache.parsed<M>(key)
  if (known !== undefined) return known
  const { json } = await readDocument(context, catalog, entry)
  const metadata = parsedFor(entry, json, parse)
  jsonBytes.set(metadata, json.length)
  context.cache.putParsed(key, metadata, json.length)
  return metadata
}

export const readTable = (context: CatalogContext, catalog: CatalogHandle, entry: Pointer): Promise<TableMetadata> =>
  readParsed(context, catalog, entry, parseTableMetadata)

/** What of a table's metadata says where its files lie. */
export interface Placed {
  /** As the client spelled it. */
  readonly location: string
  readonly properties: Readonly<Record<string, string>>
}

/** Of a table or of a view. */
export interface Identified extends Placed {
  readonly 'table-uuid'?: string
  readonly 'view-uuid'?: string
}
export const uuidOf = (metadata: Identified): string | undefined => metadata['table-uuid'] ?? metadata['view-uuid']

const placedOfDocuments = new WeakMap<CachedDocument, Placed>()

/** Kept for as long as the document is; its parsed form is not. */
export function placedOf(context: CatalogContext, catalog: CatalogHandle, entry: Pointer): Soon<Placed> {
  const key = cacheKey(catalog, entry)
  return soon(context.cache.get(key) ?? readDocument(context, catalog, entry), (document) => {
    let placed = placedOfDocuments.get(document)
    if (placed === undefined) {
      const known = context.cache.parsed<TableMetadata>(key)
      if (known === undefined && document.json.length > INLINE_FILE) {
        const read = identityOfLarge(context, catalog, document.json).catch((error: unknown) =>
          Promise.reject(asFault(error, entry)),
        )
        return read.then((identity) => (placedOfDocuments.set(document, identity), identity))
      }
      const { location: place, properties } = known ?? parsedFor(entry, document.json, parseTableMetadata)
      placedOfDocuments.set(document, (placed = { location: place, properties }))
    }
    return placed
  })
}

export const readView = (context: CatalogContext, catalog: CatalogHandle, entry: Pointer): Promise<ViewMetadata> =>
  readParsed(context, catalog, entry, parseViewMetadata)

/** A file of another writer, past every cache: its text and what it says. @throws IcebergError 4xx */
export async function readForeign(
  context: CatalogContext,
  catalog: CatalogHandle,
  location: string,
  parse: (json: JsonValue) => Identified,
): Promise<{ readonly json: Buffer; readonly metadata: Identified }> {
  try {
    const json = await readFile(catalog, location)
    if (json.length > INLINE_FILE) {
      if (parse !== parseForeignTableMetadata)
        throw validationFailed(`The metadata of a view is larger than ${INLINE_FILE} bytes`)
      return { json, metadata: await foreignTableOfLarge(context, catalog, json) }
    }
    return { json, metadata: parse(parseJson(json, FOREIGN_LIMITS)) }
  } catch (error) {
    throw storageFailure(error, location)
  }
}

/** Metadata that is about to be written, and the answer that it will be. */
export type NewDocument = Composed &
  ComposedAnswer & { /** What the file holds, where it is known already. */ readonly encoded?: Uint8Array | undefined }

const configBytes = new WeakMap<CatalogHandle, number>()

/** The part of a composed answer that others' settings can follow. */
export function withoutConfig(catalog: CatalogHandle, body: Uint8Array): Uint8Array {
  let bytes = configBytes.get(catalog)
  if (bytes === undefined) configBytes.set(catalog, (bytes = Buffer.byteLength(behindDocument(catalog.clientConfig))))
  return body.subarray(0, body.length - bytes)
}

export function composeNew(catalog: CatalogHandle, file: Named, json: JsonParts): NewDocument {
  return { etag: etagOf(catalog, file, 'all'), ...compose(file.metadata_location, json, catalog.clientConfig) }
}

/** The same of what a thread has put together. */
export function composedElsewhere(catalog: CatalogHandle, made: NewFile, uuid: string): NewDocument {
  const { file, body, start, end, encoded } = made
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const etag = etagOf(catalog, { metadata_location: file, id: '', uuid }, 'all')
  return { etag, body: bytes, json: bytes.subarray(start, end), encoded }
}

/** Remembers what a file says that is now the current one of its entry, and forgets the file that was. */
export function rememberCurrent(
  context: CatalogContext,
  catalog: CatalogHandle,
  current: { readonly file: Named; readonly document: NewDocument; readonly metadata: object | undefined },
  superseded: Named | undefined,
): void {
  const { etag, body, json } = current.document
  const key = cacheKey(catalog, current.file)
  const document = context.cache.put(key, json)
  context.cache.keep(document, 'all', { etag, body })
  document.presentAt = context.now()
  if (superseded !== undefined) context.cache.forget(cacheKey(catalog, superseded))
  if (current.metadata === undefined) return
  jsonBytes.set(current.metadata, json.length)
  context.cache.putParsed(key, current.metadata, json.length)
}

/** Grows when the same file comes to be answered otherwise: what clients have of before is of before. */
const ANSWER_FORM = 2

function etagOf(catalog: CatalogHandle, entry: Named, mode: SnapshotsMode): string {
  const text = `${ANSWER_FORM}\n${catalog.id}\n${catalog.configVersion}\n${mode}\n${identityOf(entry)}`
  return `"${hash('sha256', text, 'base64url').slice(0, 27)}"`
}

/** Whether an If-None-Match header names this ETag. Compressing proxies weaken a tag or append their coding to it. */
export function matchesEtag(header: string, etag: string): boolean {
  if (header === etag) return true
  const opaque = etag.slice(1, -1)
  // A tag may end in the very signs that stand between it and a coding.
  const stem = opaque.replace(/-+$/, '')
  return header.split(',').some((item) => {
    const tag = item.trim().replace(/^W\//, '').replace(/^"|"$/g, '')
    return tag === '*' || tag === opaque || /^(.*?)[-;]+(?:gzip|br|deflate|zstd)$/.exec(tag)?.[1] === stem
  })
}

/** Large answers that are being composed, for all who wait for them. */
const underWay = new WeakMap<CachedDocument, Promise<ComposedAnswer>>()

function composeAll(
  context: CatalogContext,
  catalog: CatalogHandle,
  document: CachedDocument,
  entry: Named,
): Soon<ComposedAnswer> {
  const keep = ({ body, json }: Composed): ComposedAnswer => {
    const answer = { etag: etagOf(catalog, entry, 'all'), body }
    document.json = json
    context.cache.keep(document, 'all', answer)
    return answer
  }
  const { metadata_location: location } = entry
  if (document.json.length <= INLINE_COPY) return keep(compose(location, [document.json], catalog.clientConfig))
  let composing = underWay.get(document)
  if (composing === undefined) {
    composing = composeLarge(location, document.json, catalog.clientConfig)
      .then(keep)
      .finally(() => underWay.delete(document))
    underWay.set(document, composing)
  }
  return composing
}

function composeRefs(
  context: CatalogContext,
  catalog: CatalogHandle,
  document: CachedDocument,
  entry: Pointer,
): Soon<ComposedAnswer> {
  const keep = (body: Buffer): ComposedAnswer => {
    const answer = { etag: etagOf(catalog, entry, 'refs'), body }
    context.cache.keep(document, 'refs', answer)
    return answer
  }
  const all = (): Soon<ComposedAnswer> =>
    soon(document.all ?? composeAll(context, catalog, document, entry), ({ body }) => keep(body))
  const { metadata_location: location } = entry
  const known = context.cache.parsed<TableMetadata>(cacheKey(catalog, entry))
  if (known === undefined && document.json.length > INLINE_FILE) {
    const reducing = refsOfLarge(context, catalog, location, document.json).catch((error: unknown) =>
      Promise.reject(asFault(error, entry)),
    )
    return reducing.then((body) => (body === undefined ? all() : keep(body)))
  }
  const metadata = known ?? parsedFor(entry, document.json, parseTableMetadata)
  const reduced = refsOnly(metadata)
  if (reduced.snapshots.length === metadata.snapshots.length) return all()
  return keep(compose(location, serializeTableMetadata(reduced), catalog.clientConfig).body)
}

export interface AnswerOptions {
  readonly snapshots?: SnapshotsMode | undefined
  readonly ifNoneMatch?: string | undefined
}

/** Keys of documents by the row that named them: a store that has the row still gives the same object. */
const keysOfRows = new WeakMap<Entry, { readonly catalog: CatalogHandle; readonly key: string }>()

function keyOf(catalog: CatalogHandle, row: Entry): string {
  let known = keysOfRows.get(row)
  if (known?.catalog !== catalog) {
    known = { catalog, key: cacheKey(catalog, row) }
    keysOfRows.set(row, known)
  }
  return known.key
}

/** The answer for an entry that was just read from the store. */
export function answerWithEntry(
  context: CatalogContext,
  catalog: CatalogHandle,
  row: Entry,
  options: AnswerOptions = {},
): Soon<MetadataAnswer> {
  const mode = options.snapshots ?? 'all'
  const cached = context.cache.get(keyOf(catalog, row))
  // Elsewhere it would take a request: a file that is the current one is not deleted by us.
  if (cached !== undefined && catalog.storage.isMissing !== undefined)
    void assertStillThere(context, catalog, row.metadata_location, cached)
  const ready = cached?.[mode]
  const { ifNoneMatch } = options
  if (ifNoneMatch !== undefined) {
    const etag = ready?.etag ?? etagOf(catalog, row, mode)
    // A tag was given out with a document that had been checked; `*` says nothing, so the file has to be seen.
    const isKnown = ready !== undefined || !ifNoneMatch.includes('*')
    if (isKnown && matchesEtag(ifNoneMatch, etag)) return { status: 304, etag, body: undefined }
  }
  if (ready !== undefined) return answerOf(ready)
  const composed = soon(
    cached ?? readDocument(context, catalog, row),
    (document) => document[mode] ?? (mode === 'all' ? composeAll : composeRefs)(context, catalog, document, row),
  )
  return soon(composed, (answer) => {
    const isMatch = ifNoneMatch !== undefined && matchesEtag(ifNoneMatch, answer.etag)
    return isMatch ? { status: 304, etag: answer.etag, body: undefined } : answerOf(answer)
  })
}

/** A file that is no longer an entry's current one, or whose entry is gone: past every cache. */
export async function answerSuperseded(
  context: CatalogContext,
  catalog: CatalogHandle,
  entry: Pointer,
  config: ClientConfig,
): Promise<MetadataAnswer> {
  return answerOnce(entry.metadata_location, [await readChecked(context, catalog, entry)], config)
}

/** Remembers what a file says that was just read and checked, past what may have been cached of the place before. */
export function rememberRead(context: CatalogContext, catalog: CatalogHandle, entry: Named, json: Buffer): Soon<ComposedAnswer> {
  const key = cacheKey(catalog, entry)
  context.cache.forget(key)
  return composeAll(context, catalog, context.cache.put(key, json), entry)
}

/**
 * What was composed, as an answer. A change that has just landed is answered so with what was written: a storage that fails
 * now must not turn a success into an error, and later commits may have removed the file already.
 */
export const answerOf = ({ etag, body }: ComposedAnswer): MetadataAnswer => ({ status: 200, etag, body })

/** An answer that nothing can revalidate: of a staged table (no location yet), or of an entry that is gone. */
export function answerOnce(location: string | null, json: JsonParts, config: ClientConfig): MetadataAnswer {
  return { status: 200, etag: undefined, body: compose(location, json, config).body }
}
