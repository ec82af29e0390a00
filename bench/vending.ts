/** What credentials add to a load: a warm one against the same without, and many tables loaded by many clients at once. */
import { startServer } from '../test/clients/server.ts'
import { startMinio } from '../test/services/minio.ts'
import { startSts } from '../test/services/sts.ts'
import { compare, type Contender } from './compare.ts'
import { call } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { targetOf } from './scale.ts'

const USUAL = { clients: 8, requests: 50_000, warmUp: 30_000 }
const TABLES = 1_000
const CLIENTS = 16
const PROVIDER_MS = 20
const NAMESPACE = '/v1/s3/namespaces/ns'

const columns = Array.from({ length: 20 }, (_, at) => ({ id: at + 1, name: `column_${at + 1}`, type: 'long', required: false }))
const schema = { type: 'struct', 'schema-id': 0, fields: columns }

export async function benchVending(): Promise<void> {
  const minio = await startMinio()
  if ('missing' in minio) return print({ what: 'loadTable with vended credentials', figures: `not measured: ${minio.missing}` })
  const { endpoint, accessKey, secretKey, createBucket, stop } = minio.value
  const sts = await startSts({ delayMs: PROVIDER_MS })
  const server = await startServer({ database: 'sqlite', dist: true })
  const target = targetOf(server)
  try {
    await createBucket('bench')
    const storage_config = { type: 's3', bucket: 'bench', endpoint, access_key_id: accessKey, secret_access_key: secretKey }
    const vending_strategy = { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake', sts_endpoint: sts.endpoint } }
    await call(target, 'POST', '/api/v1/warehouses', { name: 'w', storage_config, vending_strategy })
    await call(target, 'POST', '/api/v1/catalogs', { name: 's3', warehouse_name: 'w' })
    await call(target, 'POST', '/v1/s3/namespaces', { namespace: ['ns'] })
    for (let at = 0; at < TABLES; at += 20) {
      const some = Array.from({ length: 20 }, (_, index) => `t${at + index}`)
      await Promise.all(some.map((name) => call(target, 'POST', `${NAMESPACE}/tables`, { name, schema })))
    }
    await benchMany(target, sts.asked)
    await benchWarm(target, server.pid)
  } finally {
    await server.stop()
    await sts.stop()
    // The process of MinIO keeps nobody waiting, and would not keep us.
    const waiting = setInterval(() => undefined, 1000)
    await stop()
    clearInterval(waiting)
  }
}

type Target = ReturnType<typeof targetOf>
const headersOf = ({ token }: Target) => ({ Authorization: `Bearer ${token}` })
const ASKING = { 'X-Iceberg-Access-Delegation': 'vended-credentials' }

async function benchWarm(target: Target, pid: number): Promise<void> {
  const ours = (extra: Record<string, string>): Contender => ({
    pid,
    port: target.port,
    request: httpRequest('GET', `${NAMESPACE}/tables/t0`, { ...headersOf(target), ...extra }),
  })
  const { contender, ratio } = await compare(ours({}), ours(ASKING), USUAL)
  print({
    what: 'loadTable with vended credentials, warm',
    figures: `${us(contender)}, ${times(ratio)} of one without`,
    target: { text: 'at most 1.1x', met: ratio <= 1.1 },
  })
}

/** All tables by all clients, from cold; somebody else asks for the configuration meanwhile. */
async function benchMany(target: Target, asked: readonly unknown[]): Promise<void> {
  const headers = headersOf(target)
  const state = { done: false }
  const load = async (client: number): Promise<void> => {
    for (let at = 0; at < TABLES; at++) {
      const path = `${NAMESPACE}/tables/t${(at + client * 61) % TABLES}`
      const response = await fetch(`${target.url}${path}`, { headers: { ...headers, ...ASKING } })
      if (!(await response.text()).includes('"storage-credentials":[{')) throw new Error(`no credentials for ${path}`)
    }
  }
  const others: number[] = []
  const ask = async (): Promise<void> => {
    while (!state.done) {
      const from = performance.now()
      await (await fetch(`${target.url}/v1/config?warehouse=s3`, { headers })).text()
      others.push(performance.now() - from)
    }
  }
  const from = performance.now()
  const loads = Promise.all(Array.from({ length: CLIENTS }, (_, client) => load(client))).finally(() => (state.done = true))
  await Promise.all([loads, ask()])
  const seconds = (performance.now() - from) / 1000
  const slowest = others.toSorted((a, b) => a - b)[Math.floor(others.length * 0.99)] ?? 0
  print({
    what: `${TABLES} tables by ${CLIENTS} clients, a provider that takes ${PROVIDER_MS} ms`,
    figures: `${asked.length} calls to it in ${seconds.toFixed(1)} s; 99% of ${others.length} other requests within ${slowest.toFixed(0)} ms`,
    target: { text: `at most ${TABLES} calls`, met: asked.length <= TABLES },
  })
}
