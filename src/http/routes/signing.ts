/** Requests to the storage, signed: as the specification has it, and where clients of before ask. */
import type { CatalogCall } from '../../catalog/call.ts'
import { decode, RemoteSignRequest } from '../../catalog/shapes.ts'
import { signRequest, signS3Request } from '../../catalog/delegation/signing.ts'
import { seenCatalogs } from '../../management/catalogs.ts'
import type { SignedRequest } from '../../storage/vending/vending.ts'
import { json, type Answer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { anySignature, signature } from '../request-bodies.ts'
import type { Route } from '../route.ts'

/** Clients keep what is `private` for half a minute. */
const answer = ({ uri, headers, isRepeatable }: SignedRequest): Answer =>
  json({ uri, headers }, 200, ['Cache-Control', isRepeatable ? 'private' : 'no-cache'])

/** In all catalogs that the caller sees. */
async function everyCall(exchange: Exchange): Promise<CatalogCall[]> {
  const principal = exchange.caller
  const calls: CatalogCall[] = []
  for (const name of await seenCatalogs(exchange.context.management, principal)) {
    calls.push({ principal, catalog: await exchange.catalogNamed(name) })
  }
  return calls
}

export const signingRoutes: readonly Route[] = [
  {
    method: 'POST',
    template: '/v1/{prefix}/namespaces/{namespace}/tables/{table}/sign',
    operationId: 'signRequest',
    action: 'table.read',
    iceberg: true,
    body: signature,
    handler: async (exchange) => {
      const request = decode(RemoteSignRequest, exchange.json())
      return answer(await signRequest(exchange.context.catalog, exchange.call, exchange.identifier, request))
    },
  },
  {
    method: 'POST',
    template: '/v1/{prefix}/aws/s3/sign',
    operationId: 'signS3Request',
    action: 'table.read',
    body: anySignature,
    handler: async (exchange) => {
      const request = decode(RemoteSignRequest, exchange.json())
      return answer(await signS3Request(exchange.context.catalog, [exchange.call], request))
    },
  },
  {
    method: 'POST',
    template: '/v1/aws/s3/sign',
    operationId: 'signS3RequestAnywhere',
    action: 'table.read',
    body: anySignature,
    handler: async (exchange) => {
      const request = decode(RemoteSignRequest, exchange.json())
      return answer(await signS3Request(exchange.context.catalog, await everyCall(exchange), request))
    },
  },
]
