/**
 * Warehouses on Azure: Data Lake Storage Gen2 and plain blob containers, both through the Blob API, with the account's key
 * or a service principal. Each request has a time limit; what is retried is safe to repeat, a conditional creation included.
 */
import type * as Blob from '@azure/storage-blob'
import { bucketAndKey, type Location } from '../iceberg/location.ts'
import { once, type Once } from '../once.ts'
import { adlsCredential, connectAdls, type AdlsOptions } from './adls-connection.ts'
import { adlsClientConfig, adlsKeys, adlsPlace, validateAdls } from './adls-settings.ts'
import { collect, createNew, forEachAtOnce, holdsBytes, withAttempts } from './attempts.ts'
import { keyBelow, keyOrFolderBelow, prefixBelow } from './keys.ts'
import type { StorageKind } from './kind.ts'
import { adlsAdvice } from './probe/adls-advice.ts'
import { StorageError, type ObjectStore, type StorageErrorKind, type StoredObject } from './storage.ts'
import { adlsStrategies } from './vending/adls.ts'

interface ServiceError {
  readonly name?: string
  readonly code?: string
  readonly statusCode?: number
}

/** Codes of 409 and 412 that mean that something is at the place already: a blob or, with a hierarchy, a folder. */
const EXISTS = new Set([
  'BlobAlreadyExists',
  'ResourceAlreadyExists',
  'PathAlreadyExists',
  'ConditionNotMet',
  'ResourceTypeMismatch',
])
const NO_CONTAINER = new Set(['ContainerNotFound', 'FilesystemNotFound', 'ContainerBeingDeleted', 'ContainerDisabled'])

function kindOf({ code = '', statusCode: status }: ServiceError): StorageErrorKind {
  if (NO_CONTAINER.has(code)) return 'invalid'
  if (EXISTS.has(code)) return 'exists'
  if (status === 404) return 'missing'
  if (status === 401 || status === 403) return 'forbidden'
  return status !== undefined && status >= 300 && status < 500 && ![408, 429].includes(status) ? 'invalid' : 'unavailable'
}

const failure =
  (what: string, location: string) =>
  (error: unknown): StorageError => {
    const { name = 'failed', code, statusCode } = error as ServiceError
    const reason = code ?? (statusCode === undefined ? name : `status ${statusCode}`)
    return new StorageError(kindOf(error as ServiceError), `Can't ${what} ${location}: ${reason}`, error)
  }

/** A folder of an account with a hierarchy, or the marker that some writers leave for one. */
const isFolder = (metadata: Readonly<Record<string, string>> | undefined): boolean => metadata?.['hdi_isfolder'] === 'true'

class AdlsStore implements ObjectStore {
  readonly #root: Location
  readonly #connect: Once<Blob.ContainerClient>

  constructor(options: AdlsOptions) {
    this.#root = options.place.root
    this.#connect = once(async () => (await connectAdls(options)).getContainerClient(options.place.container))
  }

  async read(location: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    const key = keyBelow(this.#root, location)
    const container = await this.#connect()
    return withAttempts(
      async ({ signal, alive }) => {
        const answer = await container
          .getBlockBlobClient(key)
          .download(0, undefined, { abortSignal: signal, maxRetryRequests: 0 })
        if (isFolder(answer.metadata)) throw new StorageError('missing', `Can't read ${location}: it is a folder`)
        const body = answer.readableStreamBody as AsyncIterable<Buffer> | undefined
        return collect(body ?? emptyBody(), { location, maxBytes, alive })
      },
      failure('read', location),
    )
  }

  async create(location: string, bytes: Uint8Array): Promise<void> {
    const key = keyBelow(this.#root, location)
    const container = await this.#connect()
    const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    await createNew(
      ({ signal }) =>
        container
          .getBlockBlobClient(key)
          .upload(content, content.length, { conditions: { ifNoneMatch: '*' }, abortSignal: signal }),
      failure('create', location),
      { bodyBytes: bytes.length, holds: () => holdsBytes(this, location, bytes) },
    )
  }

  async delete(locations: readonly string[]): Promise<void> {
    const keys = locations.map((location) => keyOrFolderBelow(this.#root, location))
    await forEachAtOnce(keys, (key) => (key.endsWith('/') ? this.#deleteFolder(key.slice(0, -1)) : this.#deleteBlob(key)))
  }

  async #deleteBlob(key: string, harmless: readonly string[] = []): Promise<void> {
    const container = await this.#connect()
    await withAttempts(
      async ({ signal }) => {
        try {
          await container.getBlobClient(key).delete({ abortSignal: signal })
        } catch (error) {
          const { code = '' } = error as ServiceError
          if (kindOf(error as ServiceError) !== 'missing' && !harmless.includes(code)) throw error
        }
      },
      failure('delete', this.#location(key)),
    )
  }

  /** Folders are there where the account has a hierarchy, and where writers left markers for them. */
  async #deleteFolder(key: string): Promise<void> {
    const folders: string[] = []
    for await (const { name, metadata } of this.#items(`${key}/`)) if (isFolder(metadata)) folders.push(name)
    if (await this.#isFolder(key)) folders.push(key)
    // Those within others first; one that is not empty stays.
    for (const folder of folders.sort((a, b) => b.length - a.length)) await this.#deleteBlob(folder, ['DirectoryIsNotEmpty'])
  }

  async #isFolder(key: string): Promise<boolean> {
    const container = await this.#connect()
    const look = failure('look at', this.#location(key))
    try {
      const { metadata } = await withAttempts(
        ({ signal }) => container.getBlobClient(key).getProperties({ abortSignal: signal }),
        look,
      )
      return isFolder(metadata)
    } catch (error) {
      if (error instanceof StorageError && error.kind === 'missing') return false
      throw error
    }
  }

  async *list(prefix: string, { pageSize }: { readonly pageSize?: number } = {}): AsyncIterable<StoredObject> {
    for await (const { name, metadata, properties } of this.#items(prefixBelow(this.#root, prefix), pageSize)) {
      if (!isFolder(metadata)) yield { location: this.#location(name), sizeBytes: properties.contentLength ?? 0 }
    }
  }

  async *#items(prefix: string, pageSize?: number): AsyncIterable<Blob.BlobItem> {
    const container = await this.#connect()
    for (let token: string | undefined; ;) {
      const page = await withAttempts(
        ({ signal }) =>
          container
            .listBlobsFlat({ prefix, includeMetadata: true, abortSignal: signal })
            .byPage({
              ...(token !== undefined && { continuationToken: token }),
              ...(pageSize !== undefined && { maxPageSize: pageSize }),
            })
            .next(),
        failure('list', this.#location(prefix)),
      )
      if (page.done === true) return
      yield* page.value.segment.blobItems
      token = page.value.continuationToken
      if (token === undefined || token === '') return
    }
  }

  #location(key: string): string {
    return `abfss://${bucketAndKey(this.#root).bucket}/${key}`
  }

  async prepare(tableLocation: string): Promise<void> {
    keyBelow(this.#root, tableLocation)
  }

  async close(): Promise<void> {
    // Connections belong to the library's shared agent, which lets idle ones go.
    await this.#connect.known()
  }
}

async function* emptyBody(): AsyncIterable<Buffer> {}

export function openAdlsStore(options: AdlsOptions): ObjectStore {
  return new AdlsStore(options)
}

export const adlsKind: StorageKind = {
  name: 'azure',
  types: ['azure', 'adls', 'abfss'],
  schemes: ['abfss'],
  keys: adlsKeys,
  credentials: [
    { keys: ['azure.account-key'], boundTo: ['azure.account-name', 'azure.blob-endpoint', 'azure.endpoint-suffix'] },
    {
      keys: ['azure.client-id', 'azure.client-secret', 'azure.tenant-id'],
      boundTo: ['azure.authority-host', 'azure.account-name', 'azure.blob-endpoint', 'azure.endpoint-suffix'],
    },
  ],
  strategies: adlsStrategies,
  refreshKeys: { endpoint: 'adls.refresh-credentials-endpoint', enabled: 'adls.refresh-credentials-enabled' },
  rootLocation: (settings) => adlsPlace(settings).root,
  validate: validateAdls,
  clientConfig: adlsClientConfig,
  open: (settings) => openAdlsStore({ place: adlsPlace(settings), credential: adlsCredential(settings) }),
  openVended: (settings, config) => {
    const place = adlsPlace(settings)
    const { 'adls.sas-token': sasToken, 'adls.account-key': accountKey } = config
    if (sasToken !== undefined) return openAdlsStore({ place, credential: { sasToken } })
    return accountKey === undefined ? undefined : openAdlsStore({ place, credential: { accountKey } })
  },
  advise: adlsAdvice,
}
