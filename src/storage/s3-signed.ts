/**
 * Signs for the client library as clients of tables have it done: by asking, request by request, a signer that has the keys.
 * For the test of a warehouse, which proves so that the storage takes what is signed.
 */
import { IcebergError } from '../iceberg/errors.ts'
import { StorageError } from './storage.ts'
import type { RequestSigner } from './vending/vending.ts'

/** The library's request, as far as it matters here. */
interface HttpRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  path: string
  query?: Record<string, string | readonly string[] | null>
  headers: Record<string, string>
}

/** For a library that wants some: keys of no account. */
const NO_KEYS = { accessKeyId: 'none', secretAccessKey: 'none' } as const

function uriOf({ protocol, hostname, port, path, query = {} }: HttpRequest): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value ?? ''))}`,
  )
  const host = port === undefined ? hostname : `${hostname}:${port}`
  return `${protocol}//${host}${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
}

/** Settings of a client whose requests go out as they are, by `nobody`, or as the signer signs them. */
export function signedBy(region: string, signer: RequestSigner | 'nobody') {
  const requests = {
    sign: async (request: HttpRequest): Promise<HttpRequest> => {
      // The library's own note, which other clients don't send and no signer signs.
      if (request.query !== undefined) delete request.query['x-id']
      if (signer === 'nobody') return request
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, [value]]))
      try {
        const unsigned = signer.read({ method: request.method, region, uri: uriOf(request), headers, body: undefined })
        const signed = await unsigned.sign(Date.now())
        for (const [name, [value = '']] of Object.entries(signed.headers)) request.headers[name] = value
        return request
      } catch (error) {
        if (error instanceof IcebergError) throw new StorageError('invalid', error.message, error)
        throw error
      }
    },
  }
  // Its declared type is of what it signs by itself.
  return { credentials: NO_KEYS, signer: requests as never }
}
