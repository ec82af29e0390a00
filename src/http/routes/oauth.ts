/**
 * Tokens for clients that bring a credential (RFC 6749, client credentials) or a token they want renewed (RFC 8693). The
 * client is the administrator by name and password, or a long-lived token in its two halves; a token that is given for a
 * long-lived one can do no more than that, and lasts no longer.
 */
import { splitBasic, subjectOf, type Verified } from '../../access/authenticate.ts'
import { formatApiToken } from '../../access/api-tokens.ts'
import type { SessionSubject } from '../../access/session-tokens.ts'
import { json, type Answer } from '../answer.ts'
import { parseForm } from '../body.ts'
import { OAuthError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

const invalidClient = (): OAuthError => new OAuthError('invalid_client', 'The client credentials are not valid', 401)

type Granted = Pick<Verified, 'expiresAt'> & SessionSubject

const granted = (verified: Verified): Granted => ({ ...subjectOf(verified), expiresAt: verified.token?.expires_at ?? Infinity })

/** Whose token is to be issued, and how long it may last. */
async function grant(exchange: Exchange, form: ReadonlyMap<string, string>): Promise<Granted> {
  const type = form.get('grant_type')
  const { everybody } = exchange.context.authenticator
  if (everybody !== undefined) return { userId: everybody.id, expiresAt: Infinity }
  if (type === 'client_credentials') return clientOf(exchange, form)
  if (type === TOKEN_EXCHANGE) return holderOf(exchange, form)
  if (type === undefined) throw new OAuthError('invalid_request', 'grant_type is missing')
  throw new OAuthError('unsupported_grant_type', 'grant_type must be client_credentials or token-exchange')
}

async function clientOf(exchange: Exchange, form: ReadonlyMap<string, string>): Promise<Granted> {
  const authorization = exchange.header('authorization') ?? ''
  const [basicId, basicSecret] = /^basic /i.test(authorization) ? decodedBasic(authorization.slice(6)) : [undefined, undefined]
  const id = form.get('client_id') ?? basicId
  const secret = form.get('client_secret') ?? basicSecret
  if (secret === undefined || secret === '') throw new OAuthError('invalid_request', 'client_secret is missing')
  // A whole long-lived token needs no id beside it; PyIceberg sends none for a credential without a colon.
  const token = secret.startsWith('pgl_') ? secret : formatApiToken({ id: id ?? '', secret })
  const verified = await exchange.context.authenticator.verifyToken(token)
  if (verified !== undefined) return granted(verified)
  const user = await exchange.context.authenticator.login(id ?? '', secret, exchange.clientAddress)
  if (user === undefined) throw invalidClient()
  return granted({ user, expiresAt: Infinity })
}

/** RFC 6749 2.3.1: both halves are form-encoded; most clients forget, and a bare `%` tells. */
function decodedBasic(credential: string): readonly [string, string] {
  const [id, secret] = splitBasic(credential)
  try {
    return [decodeURIComponent(id.replaceAll('+', ' ')), decodeURIComponent(secret.replaceAll('+', ' '))]
  } catch {
    return [id, secret]
  }
}

async function holderOf(exchange: Exchange, form: ReadonlyMap<string, string>): Promise<Granted> {
  const subject = form.get('subject_token')
  if (subject === undefined) throw new OAuthError('invalid_request', 'subject_token is missing')
  const verified = await exchange.context.authenticator.verifyToken(subject)
  if (verified !== undefined) return granted(verified)
  // A Java client that slept through the end of its token exchanges it all the same, and brings its credentials.
  if (/^basic /i.test(exchange.header('authorization') ?? '')) return clientOf(exchange, form)
  throw new OAuthError('invalid_grant', 'subject_token is not valid, or not any longer', 401)
}

async function getToken(exchange: Exchange): Promise<Answer> {
  const form = parseForm(exchange.body)
  const { expiresAt, ...subject } = await grant(exchange, form)
  const { token, seconds } = await exchange.context.sessions.issue(subject, expiresAt)
  const scope = form.get('scope')
  const answer = {
    access_token: token,
    token_type: 'bearer',
    expires_in: seconds,
    issued_token_type: ACCESS_TOKEN,
    ...(scope === undefined ? {} : { scope }),
  }
  return json(answer, 200, ['Cache-Control', 'no-store', 'Pragma', 'no-cache'])
}

export const oauthRoutes: readonly Route[] = [
  {
    method: 'POST',
    template: '/v1/oauth/tokens',
    operationId: 'getToken',
    action: 'public',
    body: small,
    oauth: true,
    handler: getToken,
  },
]
