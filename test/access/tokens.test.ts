import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import {
  formatApiToken,
  hashSecret,
  newApiToken,
  newPassword,
  parseApiToken,
  secretMatches,
} from '../../src/access/api-tokens.ts'
import { createSessionTokens } from '../../src/access/session-tokens.ts'

test('long-lived tokens: shape, uniqueness, comparison', () => {
  const token = newApiToken()
  const text = formatApiToken(token)
  assert.match(text, /^pgl_[0-9A-Za-z]{12}_[0-9A-Za-z]{48}$/)
  assert.deepEqual(parseApiToken(text), token)
  assert.notEqual(formatApiToken(newApiToken()), text)
  assert.match(newPassword(), /^[0-9A-Za-z]{24}$/)
  assert.equal(secretMatches(token.secret, hashSecret(token.secret)), true)
  assert.equal(secretMatches(`${token.secret}x`, hashSecret(token.secret)), false)
  assert.equal(secretMatches(token.secret, 'ff'), false)
  for (const wrong of ['', 'pgl_', `${text}x`, ` ${text}`, text.replace('pgl', 'PGL'), text.slice(0, -1), `${text}\n`]) {
    assert.equal(parseApiToken(wrong), undefined, JSON.stringify(wrong))
  }
})

const SECRET = 's'.repeat(32)
const START = Date.UTC(2030, 0, 1)
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decodePart = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
const key = createHmac('sha256', SECRET).update('pangolin session tokens').digest()

/** A token of the very key, with a header and claims of the test's choice. */
function forge(token: string, header: Record<string, unknown>, claims: Record<string, unknown> = {}): string {
  const [head = '', body = ''] = token.split('.')
  const signed = `${encode({ ...decodePart(head), ...header })}.${encode({ ...decodePart(body), ...claims })}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

/** By somebody else's key. */
function signedBy(other: string, token: string, header: Record<string, unknown>): string {
  const [head = '', body = ''] = token.split('.')
  const signed = `${encode({ ...decodePart(head), ...header })}.${body}`
  return `${signed}.${createHmac('sha256', other).update(signed).digest('base64url')}`
}

test('session tokens: issued, verified, and over after their hour', async () => {
  let now = START
  const sessions = createSessionTokens(SECRET, () => now)
  const { token, expiresAt } = await sessions.issue({ userId: 'user-1' })
  assert.equal(expiresAt, START + 3_600_000)
  assert.deepEqual(await sessions.verify(token), { userId: 'user-1', token: undefined, expiresAt })
  now = START + 3_599_000
  assert.ok(await sessions.verify(token))
  now = START + 3_600_000
  assert.equal(await sessions.verify(token), undefined)
})

test('session tokens that were tampered with are refused', async () => {
  const sessions = createSessionTokens(SECRET, () => START)
  const { token } = await sessions.issue({ userId: 'user-1' })
  assert.ok(await sessions.verify(forge(token, {})), 'the forger of this test can sign')
  const [head = '', body = '', signature = ''] = token.split('.')
  const forged: Record<string, string> = {
    'no algorithm': `${encode({ ...decodePart(head), alg: 'none' })}.${body}.`,
    'another algorithm': forge(token, { alg: 'HS512' }),
    'another subject': `${head}.${encode({ ...decodePart(body), sub: 'user-2' })}.${signature}`,
    'the algorithm of a public key': forge(token, { alg: 'RS256' }),
    'no algorithm, signed all the same': forge(token, { alg: 'none' }),
    'a key of its own': signedBy('k'.repeat(32), token, { jwk: { kty: 'oct', k: encode('k'.repeat(32)) } }),
    'a key from elsewhere': signedBy('k'.repeat(32), token, { jku: 'http://127.0.0.1/jwks', x5u: 'http://127.0.0.1/x' }),
    'a claim twice': `${head}.${Buffer.from(`{"sub":"user-2",${Buffer.from(body, 'base64url').toString().slice(1)}`).toString('base64url')}.${signature}`,
    'encrypted, and deflated': `${encode({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' })}..${body}.${body}.${signature}`,
    'another key id': forge(token, { kid: '../../etc/passwd' }),
    'no key id': forge(token, { kid: undefined }),
    'another type': forge(token, { typ: 'at+jwt' }),
    'a critical extension': forge(token, { crit: ['x'], x: 1 }),
    'another issuer': forge(token, {}, { iss: 'pangolin.evil' }),
    'another audience': forge(token, {}, { aud: 'other' }),
    'the audience of narrowed tokens': forge(token, {}, { aud: 'pangolin/narrowed' }),
    'no end': forge(token, {}, { exp: undefined }),
    'an end that is text': forge(token, {}, { exp: 'never' }),
    'not begun': forge(token, {}, { nbf: START / 1000 + 60 }),
    'no subject': forge(token, {}, { sub: undefined }),
    'a subject that is no text': forge(token, {}, { sub: 7 }),
    'no id': forge(token, {}, { jti: undefined }),
    'no token': 'a.b.c',
    empty: '',
    huge: 'a'.repeat(100_000),
    'another secret': (await createSessionTokens('t'.repeat(32), () => START).issue({ userId: 'user-1' })).token,
  }
  for (const [how, text] of Object.entries(forged)) assert.equal(await sessions.verify(text), undefined, how)
})
