/**
 * A stand-in for Google's three ways to a token: the token endpoint of service accounts, the metadata service of a machine
 * and the security token service that narrows tokens. It checks and records what it is asked. It is our own code: it proves
 * what we send, not what Google makes of it.
 */
import { createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AccessBoundary } from '../../src/storage/vending/gcs-boundary.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

export interface GoogleIdentity {
  /** Of the service account, as Google writes it to a file. */
  readonly keyFile: string
  readonly email: string
  readonly privateKey: string
  readonly metadataHost: string
  readonly tokenUri: string
  readonly stsEndpoint: string
  /** What a token may: everything of the service account's, or what its boundary says; `undefined` for one from elsewhere. */
  readonly boundaryOf: (token: string) => AccessBoundary | 'everything' | undefined
  readonly requests: { grants: number; metadata: number; exchanges: number }
  /** Answers all requests with this from now on, or honestly again. */
  readonly fail: (answer: { readonly status: number; readonly body: string } | undefined) => void
  /** Whether exchanges say when their tokens end: Google does not always. */
  sayExpiry: boolean
  lifeSeconds: number
  readonly stop: () => Promise<void>
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

const refuse = (error: string): never => {
  throw new Error(error)
}

function checkAssertion(assertion: string, publicKey: string, { email, aud }: { email: string; aud: string }): void {
  const [head = '', claims = '', signature = ''] = assertion.split('.')
  const isSigned = verify(
    'RSA-SHA256',
    Buffer.from(`${head}.${claims}`),
    createPublicKey(publicKey),
    Buffer.from(signature, 'base64url'),
  )
  if (!isSigned) refuse('invalid_grant')
  const { iss, scope, iat, exp, aud: audience } = JSON.parse(String(Buffer.from(claims, 'base64url')))
  const now = Date.now() / 1000
  if (iss !== email || scope !== SCOPE || audience !== aud) refuse('invalid_scope')
  if (!(iat <= now + 5 && exp > now && exp - iat <= 3600)) refuse('invalid_grant')
}

export async function startGoogleIdentity(): Promise<GoogleIdentity> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const email = 'lake@project.iam.gserviceaccount.com'
  const tokens = new Map<string, AccessBoundary | 'everything'>()
  const requests = { grants: 0, metadata: 0, exchanges: 0 }
  let failure: { readonly status: number; readonly body: string } | undefined
  const issue = (may: AccessBoundary | 'everything'): string => {
    const token = `ya29.${may === 'everything' ? 'whole' : 'narrowed'}-${randomUUID()}`
    tokens.set(token, may)
    return token
  }
  const answerTo = async (request: IncomingMessage): Promise<object> => {
    if (request.url === '/computeMetadata/v1/instance/service-accounts/default/token') {
      if (request.headers['metadata-flavor'] !== 'Google') refuse('invalid_request')
      requests.metadata += 1
      return { access_token: issue('everything'), expires_in: identity.lifeSeconds, token_type: 'Bearer' }
    }
    const form = await formOf(request)
    if (request.url === '/token') {
      requests.grants += 1
      if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') refuse('unsupported_grant_type')
      checkAssertion(form.get('assertion') ?? '', publicKey, { email, aud: identity.tokenUri })
      return { access_token: issue('everything'), expires_in: identity.lifeSeconds, token_type: 'Bearer' }
    }
    if (request.url !== '/v1/token') refuse('not_found')
    requests.exchanges += 1
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:token-exchange') refuse('unsupported_grant_type')
    if (form.get('subject_token_type') !== ACCESS_TOKEN || form.get('requested_token_type') !== ACCESS_TOKEN)
      refuse('invalid_request')
    if (tokens.get(form.get('subject_token') ?? '') !== 'everything') refuse('invalid_grant')
    const boundary = JSON.parse(form.get('options') ?? refuse('invalid_request')) as AccessBoundary
    if (!(boundary.accessBoundary.accessBoundaryRules.length > 0)) refuse('invalid_request')
    return {
      access_token: issue(boundary),
      token_type: 'Bearer',
      issued_token_type: ACCESS_TOKEN,
      ...(identity.sayExpiry ? { expires_in: identity.lifeSeconds } : {}),
    }
  }
  const server = createServer((request, response) => {
    const send = (status: number, body: string): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    if (failure !== undefined) return send(failure.status, failure.body)
    answerTo(request).then(
      (answer) => send(200, JSON.stringify(answer)),
      (error: Error) => send(400, JSON.stringify({ error: error.message, error_description: 'not for logs' })),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as { port: number }).port}`
  const tokenUri = `http://${host}/token`
  const identity: GoogleIdentity = {
    email,
    privateKey,
    keyFile: JSON.stringify(
      {
        type: 'service_account',
        project_id: 'project',
        private_key_id: randomUUID(),
        private_key: privateKey,
        client_email: email,
        token_uri: tokenUri,
      },
      null,
      2,
    ),
    metadataHost: host,
    tokenUri,
    stsEndpoint: `http://${host}/v1/token`,
    boundaryOf: (token) => tokens.get(token),
    requests,
    fail: (answer) => {
      failure = answer
    },
    sayExpiry: true,
    lifeSeconds: 3600,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return identity
}
