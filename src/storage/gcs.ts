/**
 * Warehouses on Google Cloud Storage, through its JSON API: four requests and OAuth tokens, for which Google's library
 * brings some sixty packages, and token endpoints that can't be chosen. Each request has a time limit; what is retried is
 * safe to repeat, a conditional creation included.
 */
import type { Location } from '../iceberg/location.ts'
import type { TokenSource } from './access-token.ts'
import { collect, createNew, forEachAtOnce, holdsBytes, withAttempts } from './attempts.ts'
import { gcsClientConfig, gcsCredential, gcsKeys, gcsPlace, validateGcs } from './gcs-settings.ts'
import { gcsTokens } from './gcs-tokens.ts'
import { keyBelow, keyOrFolderBelow, prefixBelow } from './keys.ts'
import type { StorageKind } from './kind.ts'
import { gcsAdvice } from './probe/gcs-advice.ts'
import { StorageError, type ObjectStore, type StorageErrorKind, type StoredObject } from './storage.ts'
import { gcsStrategies } from './vending/gcs.ts'

const MAX_ERROR_BYTES = 65_536

/** What a service says when it refuses. */
class Refusal extends Error {
  readonly status: number
  constructor(status: number, text: string) {
    super(text)
    this.status = status
  }
}

function kindOf(error: unknown): StorageErrorKind {
  if (!(error instanceof Refusal)) return 'unavailable'
  const { status, message } = error
  if (status === 404) return /bucket does not exist/i.test(message) ? 'invalid' : 'missing'
  if (status === 412) return 'exists'
  if (status === 401 || status === 403) return 'forbidden'
  return status >= 300 && status < 500 && ![408, 409, 429].includes(status) ? 'invalid' : 'unavailable'
}

const failure =
  (what: string, location: string) =>
  (error: unknown): StorageError => {
    const reason = error instanceof Refusal ? `status ${error.status}` : (error as Error).name
    return new StorageError(kindOf(error), `Can't ${what} ${location}: ${reason}`, error)
  }

export interface GcsOptions {
  readonly root: Location
  readonly bucket: string
  readonly serviceHost: string
  readonly tokens: TokenSource | undefined
}

interface Page {
  readonly items?: readonly { readonly name: string; readonly size?: string }[]
  readonly nextPageToken?: string
}

class GcsStore implements ObjectStore {
  readonly #options: GcsOptions
  readonly #objects: string

  constructor(options: GcsOptions) {
    this.#options = options
    this.#objects = `/storage/v1/b/${encodeURIComponent(options.bucket)}/o`
  }

  async #send(path: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
    const { serviceHost, tokens } = this.#options
    const authorization: Record<string, string> =
      tokens === undefined ? {} : { authorization: `Bearer ${(await tokens.get()).token}` }
    const headers = { 'content-type': 'application/octet-stream', ...authorization }
    const response = await fetch(`${serviceHost}${path}`, { ...init, headers, redirect: 'error', signal })
    if (response.ok) return response
    throw new Refusal(response.status, await errorText(response))
  }

  #object(key: string, query = ''): string {
    return `${this.#objects}/${encodeURIComponent(key)}${query}`
  }

  async read(location: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    const key = keyBelow(this.#options.root, location)
    return withAttempts(
      async ({ signal, alive }) => {
        const { body } = await this.#send(this.#object(key, '?alt=media'), signal)
        return body === null ? Buffer.alloc(0) : collect(body, { location, maxBytes, alive })
      },
      failure('read', location),
    )
  }

  async create(location: string, bytes: Uint8Array): Promise<void> {
    const key = keyBelow(this.#options.root, location)
    const query = new URLSearchParams({ uploadType: 'media', name: key, ifGenerationMatch: '0', fields: 'size' })
    const body = new Uint8Array(bytes)
    await createNew(
      async ({ signal }) => drain(await this.#send(`/upload${this.#objects}?${query}`, signal, { method: 'POST', body })),
      failure('create', location),
      { bodyBytes: bytes.length, holds: () => holdsBytes(this, location, bytes) },
    )
  }

  async delete(locations: readonly string[]): Promise<void> {
    const keys = locations.map((location) => keyOrFolderBelow(this.#options.root, location))
    await forEachAtOnce(keys, async (key) => {
      const failed = failure('delete', this.#location(key))
      try {
        await withAttempts(async ({ signal }) => drain(await this.#send(this.#object(key), signal, { method: 'DELETE' })), failed)
      } catch (error) {
        if (!(error instanceof StorageError && error.kind === 'missing')) throw error
      }
    })
  }

  async *list(prefix: string, { pageSize }: { readonly pageSize?: number } = {}): AsyncIterable<StoredObject> {
    const keyPrefix = prefixBelow(this.#options.root, prefix)
    const fields = 'items(name,size),nextPageToken'
    for (let pageToken: string | undefined; ;) {
      const query = new URLSearchParams({
        prefix: keyPrefix,
        fields,
        ...(pageToken !== undefined && { pageToken }),
        ...(pageSize !== undefined && { maxResults: String(pageSize) }),
      })
      const { items = [], nextPageToken } = await withAttempts(
        async ({ signal }) => (await (await this.#send(`${this.#objects}?${query}`, signal)).json()) as Page,
        failure('list', prefix),
      )
      for (const { name, size } of items) yield { location: this.#location(name), sizeBytes: Number(size ?? 0) }
      if (nextPageToken === undefined || nextPageToken === '') return
      pageToken = nextPageToken
    }
  }

  #location(key: string): string {
    return `gs://${this.#options.bucket}/${key}`
  }

  async prepare(tableLocation: string): Promise<void> {
    keyBelow(this.#options.root, tableLocation)
  }

  async close(): Promise<void> {
    // Connections belong to the process's shared pool, which lets idle ones go.
  }
}

/** A body that is not read keeps its connection from the next request. */
async function drain(response: Response): Promise<void> {
  await response.arrayBuffer()
}

async function errorText(response: Response): Promise<string> {
  const limits = { location: 'an error', maxBytes: MAX_ERROR_BYTES, alive: () => undefined }
  return response.body === null ? '' : String(await collect(response.body, limits).catch(() => ''))
}

export function openGcsStore(options: GcsOptions): ObjectStore {
  return new GcsStore(options)
}

export const gcsKind: StorageKind = {
  name: 'gcs',
  types: ['gcs', 'gcp', 'gs', 'google'],
  schemes: ['gs'],
  keys: gcsKeys,
  credentials: [{ keys: ['gcs.service-account-key'], boundTo: ['gcs.token-uri', 'gcs.service.host', 'gcs.sts-endpoint'] }],
  strategies: gcsStrategies,
  refreshKeys: { endpoint: 'gcs.oauth2.refresh-credentials-endpoint', enabled: 'gcs.oauth2.refresh-credentials-enabled' },
  rootLocation: (settings) => gcsPlace(settings).root,
  validate: validateGcs,
  clientConfig: gcsClientConfig,
  open: (settings) => openGcsStore({ ...gcsPlace(settings), tokens: gcsTokens(gcsCredential(settings)) }),
  openVended: (settings, { 'gcs.oauth2.token': token, 'gcs.oauth2.token-expires-at': end }) =>
    token === undefined
      ? undefined
      : openGcsStore({ ...gcsPlace(settings), tokens: { get: async () => ({ token, expiresAtMs: Number(end) }) } }),
  advise: gcsAdvice,
}
