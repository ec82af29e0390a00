/** Signs requests of clients with the warehouse's own keys, which stay here: for services without one that makes narrower ones. */
import { once } from '../../once.ts'
import type { Settings } from '../kind.ts'
import { placeOf, readRequest } from '../s3-requests.ts'
import { credentialsOf, region, type S3Credentials } from '../s3-settings.ts'
import { createSigner } from '../signing.ts'
import { VendingError, type RequestSigner } from './vending.ts'

/** Of the process: environment, instance role. The library keeps them and renews them. */
async function ambientCredentials(): Promise<() => Promise<S3Credentials>> {
  const { S3Client } = await import('@aws-sdk/client-s3')
  const { config } = new S3Client({})
  return async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials()
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
  }
}

export function openS3Signer(settings: Settings, options: { readonly verifiesBodies: boolean }): RequestSigner {
  const place = placeOf(settings, options)
  const signer = createSigner(region(settings))
  const own = credentialsOf(settings)
  const ambient = once(ambientCredentials)
  const credentials = async (): Promise<S3Credentials> => {
    if (own !== undefined) return own
    try {
      const ask = await ambient()
      return await ask()
    } catch (error) {
      throw new VendingError('unavailable', 'The server has no keys of its own to sign with', error)
    }
  }
  return {
    read: (request) => {
      const { writes, touches, canonical, isRepeatable } = readRequest(place, request)
      return {
        writes,
        touches,
        sign: async (nowMs) => {
          const { target, headers } = signer.sign(canonical, await credentials(), nowMs)
          return {
            uri: `${place.scheme}//${canonical.authority}${target}`,
            headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
            isRepeatable,
          }
        },
      }
    },
    // Without `s3.signer.uri` and `signer.uri` the endpoint is below the URI that the client has: the one that surely works.
    // PyIceberg has one file system for all tables of a warehouse, which asks where the table said that came last.
    clientConfig: ({ table, anyTable }) => ({
      's3.remote-signing-enabled': 'true',
      's3.signer': 'S3V4RestSigner',
      's3.signer.endpoint': anyTable,
      'signer.endpoint': table,
    }),
    close: async () => {},
  }
}
