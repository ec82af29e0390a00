/**
 * Stands before fake-gcs-server, which looks at no credentials, and enforces the access boundary of each token, so that
 * clients meet refusals where Google would refuse. Our own code: it proves that clients work within what we ask for, not
 * how Google reads it.
 */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AccessBoundary } from '../../src/storage/vending/gcs-boundary.ts'
import { evaluateCel, type CelContext } from '../storage/vending/cel.ts'

type Permission = 'get' | 'list' | 'create' | 'delete' | 'buckets.get'

/** What of Google's predefined roles matters here. */
const ROLES: Readonly<Record<string, readonly Permission[]>> = {
  'inRole:roles/storage.objectViewer': ['get', 'list'],
  'inRole:roles/storage.objectUser': ['get', 'list', 'create', 'delete'],
}

interface Wish {
  readonly permission: Permission
  readonly bucket: string
  readonly context: CelContext
}

function grants(boundary: AccessBoundary, { permission, bucket, context }: Wish): boolean {
  return boundary.accessBoundary.accessBoundaryRules.some(
    (rule) =>
      rule.availableResource === `//storage.googleapis.com/projects/_/buckets/${bucket}` &&
      rule.availablePermissions.some((role) => ROLES[role]?.includes(permission)) &&
      evaluateCel(rule.availabilityCondition.expression, context),
  )
}

const onObject = (permission: Permission, bucket: string, name: string): Wish => ({
  permission,
  bucket,
  context: { resourceName: `projects/_/buckets/${bucket}/objects/${name}`, attributes: {} },
})

/** The name of an upload stands in the query, or in the JSON that the body begins with. */
function nameOfUpload(url: URL, body: Buffer): string {
  const named = url.searchParams.get('name')
  if (named !== null) return named
  const json = /\{.*?\}\s*(?:\r?\n--|$)/s.exec(body.toString('latin1'))?.[0].replace(/\s*\r?\n--$/, '') ?? '{}'
  return String((JSON.parse(Buffer.from(json, 'latin1').toString()) as { name?: string }).name ?? '')
}

function wishesOf(method: string, url: URL, body: Buffer): Wish[] {
  const upload = /^\/(?:resumable\/)?upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(url.pathname)
  if (upload) return [onObject('create', decodeURIComponent(upload[1] ?? ''), nameOfUpload(url, body))]
  const [, bucket = '', , object] = /^\/(?:download\/)?storage\/v1\/b\/([^/]+)(\/o(?:\/([^/]+))?)?$/.exec(url.pathname) ?? []
  const inBucket = (permission: Permission, attributes: Record<string, string> = {}): Wish => ({
    permission,
    bucket: decodeURIComponent(bucket),
    context: { resourceName: `projects/_/buckets/${bucket}`, attributes },
  })
  if (object !== undefined) {
    const permission = { GET: 'get', HEAD: 'get', DELETE: 'delete' } as const
    return [onObject(permission[method as 'GET'] ?? 'create', decodeURIComponent(bucket), decodeURIComponent(object))]
  }
  if (url.pathname.endsWith('/o') && method === 'GET')
    return [inBucket('list', { 'storage.googleapis.com/objectListPrefix': url.searchParams.get('prefix') ?? '' })]
  return [inBucket('buckets.get')]
}

export interface BoundaryProxy {
  readonly serviceHost: string
  /** What was refused: method and path. */
  readonly refused: readonly string[]
  readonly stop: () => Promise<void>
}

export async function startBoundaryProxy(
  upstream: string,
  boundaryOf: (token: string) => AccessBoundary | 'everything' | undefined,
): Promise<BoundaryProxy> {
  const refused: string[] = []
  /** The address of an upload in parts is its own credential, as with Google. */
  const uploads = new Set<string>()
  const isAllowed = (request: IncomingMessage, url: URL, body: Buffer): boolean => {
    if (request.method === 'PUT' && uploads.has(url.searchParams.get('upload_id') ?? '')) return true
    const boundary = boundaryOf(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '')
    if (boundary === undefined) return false
    return boundary === 'everything' || wishesOf(request.method ?? '', url, body).every((wish) => grants(boundary, wish))
  }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const url = new URL(request.url ?? '/', upstream)
    if (!isAllowed(request, url, body)) {
      refused.push(`${request.method} ${request.url}`)
      response.writeHead(403, { 'content-type': 'application/json' }).end('{"error":{"code":403,"message":"forbidden"}}')
      return
    }
    // The host stays, so that addresses of uploads lead through here again.
    const forwarded = httpRequest(
      upstream + request.url,
      { method: request.method ?? 'GET', headers: request.headers },
      (answer) => {
        const upload = /[?&]upload_id=([^&]+)/.exec(answer.headers.location ?? '')?.[1]
        if (upload !== undefined) {
          uploads.add(decodeURIComponent(upload))
          answer.headers.location = (answer.headers.location ?? '').replace(upstream, `http://${request.headers.host}`)
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    forwarded.on('error', () => response.destroy())
    forwarded.end(body)
  }
  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    serviceHost: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    refused,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
