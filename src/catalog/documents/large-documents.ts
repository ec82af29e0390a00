/** Large metadata files: what is done with their bytes by threads, or in slices between which others get their turn. */
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { decodeMetadataFile, encodeMetadataFile, isGzip, type MetadataCodec } from '../../iceberg/metadata-file.ts'
import type { MetadataOwner } from '../../iceberg/metadata-check.ts'
import { parseTableMetadata } from '../../iceberg/table-metadata.ts'
import { copySlices, sharedBuffer, toShared } from '../../threads.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import { beforeDocument, behindDocument, type ClientConfig } from './compose.ts'
import type { FormatWork, Identity, InputOf, OutputOf } from '../commits/format-work.ts'

/** Above it a thread reads the metadata. */
export const INLINE_FILE = 1024 * 1024
/** Above it copying is done in slices. */
export const INLINE_COPY = 4 * 1024 * 1024
/** Above it compression leaves the thread that serves requests. */
const INLINE_GZIP = 64 * 1024

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** By catalog, not by caller: a document is read once for all callers. */
async function run<W extends FormatWork>(
  context: CatalogContext,
  catalog: CatalogHandle,
  work: W,
  input: Omit<InputOf<W>, 'json'> & { readonly json: Uint8Array },
): Promise<OutputOf<W>> {
  return context.threads.run(work, { ...input, json: await toShared(input.json) } as InputOf<W>, catalog.id)
}

export async function checkLarge(
  context: CatalogContext,
  catalog: CatalogHandle,
  owner: MetadataOwner,
  json: Buffer,
): Promise<Buffer> {
  const checked = await run(context, catalog, 'checkFile', { json, owner })
  return checked === undefined ? json : asBuffer(checked)
}

export const identityOfLarge = (context: CatalogContext, catalog: CatalogHandle, json: Buffer): Promise<Identity> =>
  run(context, catalog, 'readIdentity', { json })

/** The same of any size. */
export const identityOfTable = async (context: CatalogContext, catalog: CatalogHandle, json: Buffer): Promise<Identity> =>
  json.length > INLINE_FILE / 4 ? identityOfLarge(context, catalog, json) : parseTableMetadata(json)

export const foreignTableOfLarge = (context: CatalogContext, catalog: CatalogHandle, json: Buffer): Promise<Identity> =>
  run(context, catalog, 'readForeignTable', { json })

/** Undefined where that is all snapshots. */
export async function refsOfLarge(
  context: CatalogContext,
  catalog: CatalogHandle,
  location: string,
  json: Buffer,
): Promise<Buffer | undefined> {
  const body = await run(context, catalog, 'composeRefs', { json, location, config: catalog.clientConfig })
  return body && asBuffer(body)
}

/** What `compose` makes, copied in slices. */
export async function composeLarge(
  location: string,
  json: Buffer,
  config: ClientConfig,
): Promise<{ body: Buffer; json: Buffer }> {
  const [before, behind] = [Buffer.from(beforeDocument(location)), Buffer.from(behindDocument(config))]
  const body = sharedBuffer(before.length + json.length + behind.length)
  const document = body.subarray(before.length, before.length + json.length)
  body.set(before)
  await copySlices(json, document)
  body.set(behind, before.length + json.length)
  return { body, json: document }
}

/** The JSON of a metadata file. @throws IcebergError 400, as `decodeMetadataFile` does */
export async function decodeFile(location: string, bytes: Uint8Array, maxInflatedBytes: number): Promise<Uint8Array> {
  const isLarge = bytes.length > INLINE_GZIP && isGzip(location)
  if (!isLarge) return decodeMetadataFile(location, bytes, { maxInflatedBytes })
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxInflatedBytes })
  } catch {
    // What is wrong with it is said by the one that says it of small ones, and soon: a bomb ends at the same limit.
    return decodeMetadataFile(location, bytes, { maxInflatedBytes })
  }
}

export async function encodeFile(json: Uint8Array, codec: MetadataCodec): Promise<Uint8Array> {
  return codec === 'gzip' && json.length > INLINE_GZIP ? promisify(gzip)(json) : encodeMetadataFile(json, codec)
}
