/**
 * Objects in S3 and what speaks its protocol. The client library is loaded on first use: a server on local files never
 * pays for it. Every request has a time limit; what is retried is safe to repeat, a conditional PUT included.
 */
import type * as S3 from '@aws-sdk/client-s3'
import { bucketAndKey, type Location } from '../iceberg/location.ts'
import { collect, holdsBytes } from './attempts.ts'
import { keyBelow, keyOrFolderBelow, prefixBelow } from './keys.ts'
import { once, type Once } from '../once.ts'
import type { Settings, StorageKind } from './kind.ts'
import { clientConfig, credentialsOf, pathStyle, region, rootLocation, validate, type S3Credentials } from './s3-settings.ts'
import { s3Advice } from './probe/s3-advice.ts'
import { StorageError, type ObjectStore, type StorageErrorKind, type StoredObject } from './storage.ts'
import { defaultS3Strategy, s3Strategies } from './vending/s3.ts'
import { signedBy } from './s3-signed.ts'
import type { RequestSigner } from './vending/vending.ts'

type Library = typeof S3
type Client = S3.S3Client

const CONNECT_MS = 5_000
const IDLE_MS = 20_000
const TOTAL_MS = 120_000
const DELETE_BATCH = 1000

export interface S3Options {
  readonly root: Location
  readonly region: string
  readonly endpoint?: string | undefined
  readonly pathStyle: boolean
  /** The process's own (environment, instance role) when absent. */
  readonly credentials?: S3Credentials | undefined
  /** Instead of credentials: who signs the requests, each alone; `nobody` leaves them unsigned. */
  readonly signer?: RequestSigner | 'nobody' | undefined
}

interface ServiceError {
  readonly name?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
}

function kindOf({ name = '', $metadata }: ServiceError): StorageErrorKind {
  const status = $metadata?.httpStatusCode
  if (name === 'NoSuchBucket') return 'invalid'
  if (name === 'NoSuchKey' || status === 404) return 'missing'
  if (status === 412) return 'exists'
  if (status === 401 || status === 403) return 'forbidden'
  return status !== undefined && status >= 300 && status < 500 && ![408, 409, 429].includes(status) ? 'invalid' : 'unavailable'
}

function failure(what: string, location: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const { name = 'failed' } = error as ServiceError
  return new StorageError(kindOf(error as ServiceError), `Can't ${what} ${location}: ${name}`, error)
}

const notSupported = (error: unknown): boolean => {
  const { name, $metadata } = error as ServiceError
  return name === 'NotImplemented' || $metadata?.httpStatusCode === 501
}

class S3Store implements ObjectStore {
  readonly #options: S3Options
  readonly #connect: Once<{ library: Library; client: Client }>
  /** Some services of this protocol know no conditional PUT, or no batches; they say so once. */
  #conditionalPut = true
  #batches: boolean

  constructor(options: S3Options) {
    this.#options = options
    this.#connect = once(() => connect(options))
    this.#batches = options.signer === undefined
  }

  #object(location: string): { Bucket: string; Key: string } {
    return { Bucket: bucketAndKey(this.#options.root).bucket, Key: keyBelow(this.#options.root, location) }
  }

  async read(location: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    const object = this.#object(location)
    try {
      const { library, client } = await this.#connect()
      const abortSignal = AbortSignal.timeout(TOTAL_MS)
      const { Body, ContentLength = 0 } = await client.send(new library.GetObjectCommand(object), { abortSignal })
      const body = Body as AsyncIterable<Uint8Array> & { destroy(): void }
      if (ContentLength <= maxBytes) return await collect(body, { location, maxBytes, alive: () => undefined })
      body.destroy()
      throw new StorageError('too-large', `${location} has more than ${maxBytes} bytes`)
    } catch (error) {
      throw failure('read', location, error)
    }
  }

  async create(location: string, bytes: Uint8Array): Promise<void> {
    const object = this.#object(location)
    try {
      if (this.#conditionalPut) await this.#putNew(object, bytes)
      else await this.#putUnlessThere(object, location, bytes)
    } catch (error) {
      if (this.#conditionalPut && notSupported(error)) {
        this.#conditionalPut = false
        return this.create(location, bytes)
      }
      const problem = failure('create', location, error)
      // An earlier attempt, whose answer was lost, may be what is there now.
      const retried = ((error as ServiceError).$metadata?.attempts ?? 1) > 1
      if (problem.kind === 'exists' && retried && (await holdsBytes(this, location, bytes))) return
      throw problem
    }
  }

  async #putNew(object: { Bucket: string; Key: string }, bytes: Uint8Array): Promise<void> {
    const { library, client } = await this.#connect()
    const command = new library.PutObjectCommand({ ...object, Body: bytes, ContentLength: bytes.length, IfNoneMatch: '*' })
    await client.send(command, { abortSignal: AbortSignal.timeout(TOTAL_MS) })
  }

  /** Not atomic, and all that such a service offers: names of metadata files hold a UUID, so no two writers race for one. */
  async #putUnlessThere(object: { Bucket: string; Key: string }, location: string, bytes: Uint8Array): Promise<void> {
    const { library, client } = await this.#connect()
    const abortSignal = AbortSignal.timeout(TOTAL_MS)
    const there = await client.send(new library.HeadObjectCommand(object), { abortSignal }).then(
      () => true,
      (error: unknown) => {
        if (kindOf(error as ServiceError) === 'missing') return false
        throw error
      },
    )
    if (there) throw new StorageError('exists', `Can't create ${location}: it exists`)
    const command = new library.PutObjectCommand({ ...object, Body: bytes, ContentLength: bytes.length })
    await client.send(command, { abortSignal })
  }

  async delete(locations: readonly string[]): Promise<void> {
    const { bucket } = bucketAndKey(this.#options.root)
    const keys = locations.map((location) => keyOrFolderBelow(this.#options.root, location))
    for (let at = 0; at < keys.length; at += DELETE_BATCH) {
      await this.#deleteKeys(bucket, keys.slice(at, at + DELETE_BATCH))
    }
  }

  async #deleteKeys(bucket: string, keys: readonly string[]): Promise<void> {
    try {
      const { library, client } = await this.#connect()
      const abortSignal = AbortSignal.timeout(TOTAL_MS)
      if (!this.#batches) {
        for (const Key of keys) await client.send(new library.DeleteObjectCommand({ Bucket: bucket, Key }), { abortSignal })
        return
      }
      const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true }
      const { Errors = [] } = await client.send(new library.DeleteObjectsCommand({ Bucket: bucket, Delete }), { abortSignal })
      const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey')
      if (!failed) return
      const kind = failed.Code === 'AccessDenied' ? 'forbidden' : 'unavailable'
      throw new StorageError(kind, `Can't delete s3://${bucket}/${failed.Key}: ${failed.Code}`)
    } catch (error) {
      if (this.#batches && notSupported(error)) {
        this.#batches = false
        return this.#deleteKeys(bucket, keys)
      }
      const problem = failure('delete', `${keys.length} objects of s3://${bucket}`, error)
      if (problem.kind !== 'missing') throw problem
    }
  }

  async *list(prefix: string, options: { readonly pageSize?: number } = {}): AsyncIterable<StoredObject> {
    const { bucket } = bucketAndKey(this.#options.root)
    const keyPrefix = prefixBelow(this.#options.root, prefix)
    for (let token: string | undefined; ;) {
      const page = await this.#page(bucket, keyPrefix, token, options.pageSize)
      for (const { Key, Size = 0 } of page.Contents ?? []) {
        if (Key !== undefined) yield { location: `s3://${bucket}/${Key}`, sizeBytes: Size }
      }
      if (page.IsTruncated !== true || page.NextContinuationToken === undefined) return
      token = page.NextContinuationToken
    }
  }

  async #page(bucket: string, prefix: string, token: string | undefined, pageSize: number | undefined) {
    const input = {
      Bucket: bucket,
      Prefix: prefix,
      ...(token !== undefined && { ContinuationToken: token }),
      ...(pageSize !== undefined && { MaxKeys: pageSize }),
    }
    try {
      const { library, client } = await this.#connect()
      const command = new library.ListObjectsV2Command(input)
      return await client.send(command, { abortSignal: AbortSignal.timeout(TOTAL_MS) })
    } catch (error) {
      throw failure('list', `s3://${bucket}/${prefix}`, error)
    }
  }

  async prepare(tableLocation: string): Promise<void> {
    this.#object(tableLocation)
  }

  async close(): Promise<void> {
    const connection = await this.#connect.known()
    connection?.client.destroy()
  }
}

export function openS3Store(options: S3Options): ObjectStore {
  return new S3Store(options)
}

async function connect(options: S3Options): Promise<{ library: Library; client: Client }> {
  const library = await import('@aws-sdk/client-s3')
  const client = new library.S3Client({
    region: options.region,
    forcePathStyle: options.pathStyle,
    maxAttempts: 4,
    // Checksums beyond those that S3 demands are not understood by every service of this protocol.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: IDLE_MS, throwOnRequestTimeout: true },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.signer === undefined ? {} : signedBy(options.region, options.signer)),
  })
  return { library, client }
}

const openWith = (settings: Settings, by: Pick<S3Options, 'credentials' | 'signer'>): ObjectStore =>
  openS3Store({
    root: rootLocation(settings),
    region: region(settings),
    endpoint: settings['s3.endpoint'],
    pathStyle: pathStyle(settings),
    ...by,
  })

export const s3Kind: StorageKind = {
  name: 's3',
  types: ['s3', 'aws', 'minio'],
  schemes: ['s3'],
  keys: {
    's3.bucket': { aliases: ['bucket'], required: true },
    's3.prefix': { aliases: ['prefix'] },
    's3.region': { aliases: ['region', 'client.region'] },
    's3.endpoint': { aliases: ['endpoint'] },
    's3.path-style-access': { aliases: ['path_style_access', 'path-style-access', 'force_path_style'] },
    's3.access-key-id': { aliases: ['access_key_id', 'access_key'] },
    's3.secret-access-key': { aliases: ['secret_access_key', 'secret_key'], secret: true },
    's3.session-token': { aliases: ['session_token'], secret: true },
    's3.role-arn': { aliases: ['role_arn'] },
    's3.external-id': { aliases: ['external_id'] },
  },
  credentials: [{ keys: ['s3.access-key-id', 's3.secret-access-key', 's3.session-token'], boundTo: ['s3.endpoint'] }],
  strategies: s3Strategies,
  defaultStrategy: defaultS3Strategy,
  refreshKeys: { endpoint: 'client.refresh-credentials-endpoint', enabled: 'client.refresh-credentials-enabled' },
  rootLocation,
  validate,
  clientConfig,
  open: (settings) => openWith(settings, { credentials: credentialsOf(settings) }),
  openVended: (settings, config) => {
    const vended = credentialsOf(config)
    return vended && openWith(settings, { credentials: vended })
  },
  openSigned: (settings, signer) => openWith(settings, { signer }),
  advise: s3Advice,
}
