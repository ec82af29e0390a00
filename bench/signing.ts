/** What one signature costs: the work itself in this process, and a whole request of a client to a server. */
import { startServer } from '../test/clients/server.ts'
import { placeOf, readRequest } from '../src/storage/s3-requests.ts'
import { createSigner } from '../src/storage/signing.ts'
import { startMinio } from '../test/services/minio.ts'
import { call } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { measure, print, us } from './measure.ts'
import { targetOf } from './scale.ts'

const ROUNDS = 20_000
const LOAD = { clients: 8, requests: 20_000, isAwake: true }
const MOST = 200

const headers = {
  'User-Agent': ['bench'],
  'amz-sdk-invocation-id': ['1'],
  'x-amz-checksum-mode': ['ENABLED'],
  Range: ['bytes=0-9'],
}

function benchWork(): void {
  const place = placeOf({ 's3.bucket': 'bench', 's3.region': 'eu-west-1' })
  const signer = createSigner('eu-west-1')
  const keys = { accessKeyId: 'AKIA', secretAccessKey: 'secret' }
  const host = 'https://bench.s3.eu-west-1.amazonaws.com/lake/ns/t-01234567/data/year%3D2026'
  const round = (at: number): void => {
    const uri = `${host}/00000-${at}-7c0d7a2e-0001.parquet`
    const request = { method: 'GET', region: 'eu-west-1', uri, headers, body: undefined }
    signer.sign(readRequest(place, request).canonical, keys, 1_700_000_000_000 + at)
  }
  for (let at = 0; at < ROUNDS; at++) round(at)
  const before = process.cpuUsage()
  for (let at = 0; at < ROUNDS; at++) round(at)
  const { user, system } = process.cpuUsage(before)
  const each = (user + system) / ROUNDS
  print({ what: 'a request read and signed', figures: us(each) })
}

export async function benchSigning(): Promise<void> {
  benchWork()
  const minio = await startMinio()
  if ('missing' in minio) return print({ what: 'signRequest', figures: `not measured: ${minio.missing}` })
  const { endpoint, region, accessKey, secretKey, createBucket, stop } = minio.value
  const server = await startServer({ database: 'sqlite', dist: true })
  const target = targetOf(server)
  try {
    await createBucket('signing')
    const storage_config = { type: 's3', bucket: 'signing', endpoint, access_key_id: accessKey, secret_access_key: secretKey }
    const warehouse = { name: 'w', storage_config, vending_strategy: { AwsSigning: {} } }
    await call(target, 'POST', '/api/v1/warehouses', warehouse)
    await call(target, 'POST', '/api/v1/catalogs', { name: 's3', warehouse_name: 'w' })
    await call(target, 'POST', '/v1/s3/namespaces', { namespace: ['ns'] })
    const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'long', required: false }] }
    const table = { name: 't', schema, location: 's3://signing/s3/t' }
    await call(target, 'POST', '/v1/s3/namespaces/ns/tables', table)
    const body = JSON.stringify({ method: 'GET', region, uri: `${endpoint}/signing/s3/t/data/a.parquet`, headers })
    for (const [what, path] of [
      ['signRequest', '/v1/s3/namespaces/ns/tables/t/sign'],
      ['signS3Request, by the place of the file', '/v1/s3/aws/s3/sign'],
    ] as const) {
      const sent = httpRequest('POST', path, { Authorization: `Bearer ${target.token}` }, body)
      const { cpuMicrosecondsPerRequest: cpu } = await measure(server.pid, { ...LOAD, port: target.port, request: () => sent })
      print({ what, figures: `${us(cpu)} for the whole call`, target: { text: `at most ${MOST} us`, met: cpu <= MOST } })
    }
  } finally {
    await server.stop()
    // The process of MinIO keeps nobody waiting, and would not keep us.
    const waiting = setInterval(() => undefined, 1000)
    await stop()
    clearInterval(waiting)
  }
}
