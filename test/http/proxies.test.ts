/** Servers behind proxies: whose word about the client counts, and what follows from it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadSettings } from '../../src/config.ts'
import { addressKey, isWithin, parseAddress, parseRange } from '../../src/http/addresses.ts'
import { readForwarded } from '../../src/http/forwarded.ts'
import { call, startTestServer, type TestServer } from './harness.ts'

const login = async (server: TestServer, forwarded: string, password: string): Promise<number> => {
  const headers = { 'X-Forwarded-For': forwarded, 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = `grant_type=client_credentials&client_id=${server.username}&client_secret=${encodeURIComponent(password)}`
  return (await call(server, 'POST', '/v1/oauth/tokens', { token: null, headers, body })).status
}
const lockOut = async (server: TestServer, forwarded: (attempt: number) => string): Promise<number> => {
  for (let attempt = 0; attempt < 20; attempt++) {
    if ((await login(server, forwarded(attempt), 'wrong')) === 429) return attempt
  }
  return Infinity
}
const toldOfProxy = (server: TestServer): number => server.log.filter((line) => line.includes('"untrusted-proxy"')).length

test('behind a trusted proxy each client is locked out by itself, and can not say who it is', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8', PANGOLIN_AUTH_RATE_LIMIT: '3' })
  assert.equal(await lockOut(server, () => '203.0.113.1'), 3)
  assert.equal(await login(server, '203.0.113.2', server.password), 200)
  assert.equal(await lockOut(server, (attempt) => `198.51.100.${attempt}, 203.0.113.3`), 3, 'what the client sent before it')
  assert.equal(await lockOut(server, (attempt) => `198.51.100.${attempt}, 203.0.113.4, 10.1.2.3`), 3, 'by way of two proxies')
  assert.equal(await login(server, '203.0.113.4, 10.9.9.9', server.password), 429)
  assert.equal(await login(server, '203.0.113.5, 10.9.9.9', server.password), 200)
  assert.equal(
    await lockOut(server, (attempt) => `198.51.100.${attempt}, unknown, 10.1.1.1`),
    3,
    'no further than what is malformed',
  )
  assert.equal(await lockOut(server, (attempt) => `[2001:db8::${attempt}]:4711`), 3, 'one network of IPv6')
  assert.equal(await login(server, '2001:db8:0:1::1', server.password), 200)
  assert.equal(toldOfProxy(server), 0)
})

test('behind any other proxy all clients have its address, which is said once where logins are refused', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '3', PANGOLIN_TRUSTED_PROXIES: '192.0.2.1' })
  assert.equal(await lockOut(server, (attempt) => `203.0.113.${attempt}`), 3)
  for (let attempt = 0; attempt < 5; attempt++) assert.equal(await login(server, '203.0.113.99', server.password), 429)
  assert.equal(toldOfProxy(server), 1)
  assert.ok(server.log.some((line) => line.includes('PANGOLIN_TRUSTED_PROXIES') && line.includes('127.0.0.1')))
})

test('what a client calls this server counts where a trusted proxy says it', async (t) => {
  const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'lake.example:8443', 'X-Forwarded-Prefix': '/iceberg/' }
  const base = async (server: TestServer, more: Record<string, string> = headers): Promise<string> =>
    (await call(server, 'GET', '/api/v1/app-config', { token: null, headers: more })).json.base_url
  const plain = await startTestServer(t)
  assert.equal(await base(plain), plain.url)
  const server = await startTestServer(t, { PANGOLIN_TRUSTED_PROXIES: '::ffff:127.0.0.1' })
  assert.equal(await base(server), 'https://lake.example:8443/iceberg')
  for (const value of ['evil example', 'a/b', 'user@a', 'a\\b', '[::1', ',', 'a:123456', '"a"', 'x'.repeat(300)]) {
    assert.equal(
      await base(server, { ...headers, 'X-Forwarded-Host': value }),
      `https://${new URL(server.url).host}/iceberg`,
      value,
    )
  }
  for (const value of ['javascript', 'ftp', 'https:', '']) {
    assert.equal(await base(server, { ...headers, 'X-Forwarded-Proto': value }), 'http://lake.example:8443/iceberg', value)
  }
  for (const value of ['iceberg', '//evil.example', '/a/../b', '/a?b', '/a b', '/', '/a#b', '/"']) {
    assert.equal(await base(server, { ...headers, 'X-Forwarded-Prefix': value }), 'https://lake.example:8443', value)
  }
  const chain = {
    'X-Forwarded-For': '203.0.113.1, 127.0.0.1',
    'X-Forwarded-Proto': 'http, https, http',
    'X-Forwarded-Host': 'evil, lake, inner',
  }
  assert.equal(await base(server, chain), 'https://lake', 'said by the proxy that said who the client is')
})

test('without authentication, the page of a proxy that is trusted is known by the name that it gives', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_NO_AUTH: 'true', PANGOLIN_TRUSTED_PROXIES: '127.0.0.1' })
  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await call(server, 'GET', '/v1/config', { token: null, headers })).status
  assert.equal(await ask({ 'X-Forwarded-Host': 'evil.example' }), 403)
  const forwarded = { 'X-Forwarded-Host': 'localhost:8443', 'X-Forwarded-Proto': 'https' }
  assert.equal(await ask({ ...forwarded, Origin: 'https://localhost:8443' }), 200)
  assert.equal(await ask({ ...forwarded, Origin: 'http://localhost:8443' }), 403)
})

test('nonsense in these headers neither fails nor counts', () => {
  const ranges = [parseRange('127.0.0.1')!]
  const hostile = [
    '',
    ',',
    ',,,',
    ' ',
    'unknown',
    '_hidden',
    '1.2.3',
    '1.2.3.4.5',
    '999.1.1.1',
    '::1::',
    '[',
    '[]',
    '[::1]:x',
    '1.2.3.4:',
    '\u0000',
    '127.0.0.1'.repeat(1000),
  ]
  for (const value of hostile) {
    const forwarded = readForwarded(
      { 'x-forwarded-for': value, 'x-forwarded-host': value, 'x-forwarded-proto': value, 'x-forwarded-prefix': value },
      ranges,
    )
    assert.deepEqual([value, forwarded.address, forwarded.scheme, forwarded.prefix], [value, undefined, undefined, undefined])
  }
  const many = Array(10_000).fill('127.0.0.1').join(', ')
  assert.equal(readForwarded({ 'x-forwarded-for': `203.0.113.1, ${many}` }, ranges).address, '127.0.0.1')
  assert.equal(readForwarded({ 'x-forwarded-for': '203.0.113.1:80' }, ranges).address, '203.0.113.1')
})

test('addresses and ranges', () => {
  const within = (address: string, range: string): boolean => isWithin(parseAddress(address)!, parseRange(range)!)
  for (const [address, range] of [
    ['10.1.2.3', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '10.255.255.255/8'],
    ['::ffff:10.1.2.3', '10.0.0.0/8'],
    ['10.1.2.3', '::ffff:10.0.0.0/104'],
    ['10.1.2.3', '0.0.0.0/0'],
    ['2001:db8::1', '2001:db8::/32'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::/10'],
    ['1.2.3.127', '1.2.3.64/26'],
    ['::1', '::/0'],
  ] as const)
    assert.ok(within(address, range), `${address} ${range}`)
  for (const [address, range] of [
    ['11.1.2.3', '10.0.0.0/8'],
    ['2001:db8::1', '0.0.0.0/0'],
    ['1.2.3.128', '1.2.3.64/26'],
    ['::1', '127.0.0.1'],
    ['2001:db9::1', '2001:db8::/32'],
  ] as const)
    assert.ok(!within(address, range), `${address} ${range}`)
  for (const wrong of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'a',
    '10.0.0.0/8/8',
    '/8',
    '1.2.3.4/ 8',
  ]) {
    assert.equal(parseRange(wrong), undefined, wrong)
  }
  assert.equal(addressKey('::ffff:127.0.0.1'), '127.0.0.1')
  assert.equal(addressKey('::ffff:7f00:1'), '127.0.0.1')
  assert.equal(addressKey('2001:db8:1:2:3::4'), addressKey('2001:db8:1:2::'))
  assert.notEqual(addressKey('2001:db8:1:2:3::4'), addressKey('2001:db8:1:3::'))
  assert.throws(
    () => loadSettings({ PANGOLIN_TRUSTED_PROXIES: '10.0.0.0/8,proxy' }),
    /PANGOLIN_TRUSTED_PROXIES must list addresses and ranges.*"proxy"/,
  )
  assert.throws(() => loadSettings({ PANGOLIN_TRUST_FORWARDED_FOR: 'true' }), /PANGOLIN_TRUSTED_PROXIES/)
})
