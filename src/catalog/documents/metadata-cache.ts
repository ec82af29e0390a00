/**
 * Metadata files are immutable, so what was made of one is good for as long as there is memory: its JSON, the answers
 * composed of it, and its parsed form, which the next commit starts from. Bounded by bytes, least recently used out first.
 * Pointers are never cached: which file is current is asked of the store each time.
 */

/** A composed answer: the bytes of a response body and its ETag. */
export interface ComposedAnswer {
  readonly etag: string
  readonly body: Buffer
}

export type SnapshotsMode = 'all' | 'refs'

/** One metadata file. Once an answer with all snapshots is composed, `json` is a part of its body and not a copy. */
export class CachedDocument {
  readonly key: string
  json: Buffer
  all: ComposedAnswer | undefined
  refs: ComposedAnswer | undefined
  /** When the file was last seen in its place; 0 when it was not looked for since it was cached. */
  presentAt = 0

  constructor(key: string, json: Buffer) {
    this.key = key
    this.json = json
  }

  /** Bytes held: buffers that share their memory count once. */
  get sizeBytes(): number {
    const [json, all, refs] = [this.json.buffer, this.all?.body.buffer, this.refs?.body.buffer]
    let total = 2 * this.key.length + 200 + json.byteLength
    if (all !== undefined && all !== json) total += all.byteLength
    if (refs !== undefined && refs !== all && refs !== json) total += refs.byteLength
    return total
  }
}

export interface MetadataCache {
  /** `key` names a file, its catalog and the version of its settings: elsewhere the same location is another object. */
  get(key: string): CachedDocument | undefined
  /** The document, read by `read` if need be; callers that come meanwhile share that read. */
  load(key: string, read: () => Promise<Buffer>): Promise<CachedDocument>
  put(key: string, json: Buffer): CachedDocument
  /** Keeps a composed answer with its document. */
  keep(document: CachedDocument, mode: SnapshotsMode, answer: ComposedAnswer): void
  /** The parsed form of a document, if the newest commits left it here. */
  parsed<T>(key: string): T | undefined
  putParsed(key: string, metadata: unknown, jsonBytes: number): void
  /** For a file that will not be asked for again. */
  forget(key: string): void
  readonly sizeBytes: number
}

/** What a parsed document takes per byte of its JSON, measured on tables of many snapshots, with the kept text of its parts. */
const PARSED_FACTOR = 7

export function createMetadataCache(options: { readonly maxBytes: number }): MetadataCache {
  const documents = boundedMap<CachedDocument>(options.maxBytes, options.maxBytes / 2)
  // Only commits use parsed forms, and only the newest of a table: a part of the budget is plenty. One may take all of it: to
  // parse the metadata of a table anew for each of its commits costs five times what the rest of the commit does.
  const parsed = boundedMap<unknown>(options.maxBytes / 4, options.maxBytes / 4)
  const loading = new Map<string, Promise<CachedDocument>>()
  const inUse = documentsInUse()

  const put = (key: string, json: Buffer): CachedDocument => {
    const document = new CachedDocument(key, json)
    remember(document)
    return document
  }
  const remember = (document: CachedDocument): void => {
    const isKept = documents.set(document.key, document, document.sizeBytes)
    if (!isKept && document.sizeBytes >= LARGE_BYTES) inUse.add(document)
  }
  const get = (key: string): CachedDocument | undefined => documents.get(key) ?? inUse.get(key)

  return {
    get,
    put,
    load: (key, read) => {
      const known = get(key)
      if (known !== undefined) return Promise.resolve(known)
      const underWay = loading.get(key)
      if (underWay !== undefined) return underWay
      const started = inUse
        .read(key, read)
        .then((json) => put(key, json))
        .finally(() => loading.delete(key))
      loading.set(key, started)
      return started
    },
    keep: (document, mode, answer) => {
      document[mode] = answer
      if (documents.peek(document.key) === document) remember(document)
      if (inUse.get(document.key) === document) inUse.hold(answer.body, document)
    },
    parsed: <T>(key: string) => parsed.get(key) as T | undefined,
    putParsed: (key, metadata, jsonBytes) => parsed.set(key, metadata, jsonBytes * PARSED_FACTOR),
    forget: (key) => {
      documents.remove(key)
      inUse.remove(key)
      parsed.remove(key)
    },
    get sizeBytes() {
      return documents.sizeBytes + parsed.sizeBytes
    },
  }
}

const LARGE_BYTES = 1024 * 1024
const LARGE_READS = 2
const MAX_KNOWN = 10_000

/**
 * Documents that are too large for the cache. They are kept while an answer uses them, so that other answers meanwhile share
 * their bytes. Of documents that are known to be so large few are read at once, since a document is shared only when it is read.
 */
function documentsInUse() {
  const documents = new Map<string, WeakRef<CachedDocument>>()
  /** The document whose bytes a buffer has: while an answer refers to the buffer, the document stays. */
  const holders = new WeakMap<ArrayBufferLike, CachedDocument>()
  const waiting: (() => void)[] = []
  let reading = 0
  const get = (key: string): CachedDocument | undefined => documents.get(key)?.deref()
  return {
    get,
    add: (document: CachedDocument): void => {
      documents.delete(document.key)
      documents.set(document.key, new WeakRef(document))
      if (documents.size > MAX_KNOWN) documents.delete(documents.keys().next().value!)
    },
    hold: (bytes: Buffer, document: CachedDocument): void => void holders.set(bytes.buffer, document),
    remove: (key: string): void => void documents.delete(key),
    read: async (key: string, read: () => Promise<Buffer>): Promise<Buffer> => {
      if (!documents.has(key)) return read()
      if (reading < LARGE_READS) reading++
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await read()
      } finally {
        const next = waiting.shift()
        if (next === undefined) reading--
        else next()
      }
    },
  }
}

/** A map that forgets what was not used for longest, more or less, when it holds more than `maxBytes`. */
function boundedMap<V>(maxBytes: number, maxItemBytes: number) {
  const items = new Map<string, { readonly value: V; readonly bytes: number; used: boolean }>()
  let total = 0
  const remove = (key: string): void => {
    total -= items.get(key)?.bytes ?? 0
    items.delete(key)
  }
  /** Oldest first; what was used since it was last looked at gets another round, since moving it on each use costs more. */
  const makeRoom = (): void => {
    for (const [key, item] of items) {
      if (total <= maxBytes) return
      items.delete(key)
      if (item.used) {
        item.used = false
        items.set(key, item)
      } else total -= item.bytes
    }
  }
  return {
    get: (key: string): V | undefined => {
      const item = items.get(key)
      if (item === undefined) return undefined
      item.used = true
      return item.value
    },
    remove,
    peek: (key: string): V | undefined => items.get(key)?.value,
    /** Whether it was kept. */
    set: (key: string, value: V, bytes: number): boolean => {
      remove(key)
      // One giant must not sweep everything else out.
      if (bytes > maxItemBytes) return false
      items.set(key, { value, bytes, used: false })
      total += bytes
      makeRoom()
      return true
    },
    get sizeBytes(): number {
      return total
    },
  }
}
