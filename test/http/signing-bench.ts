/** A server whose warehouse, in a real MinIO, signs requests; and a client without keys. */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { call, startTestServer, type Answer, type CallOptions, type TestServer } from './harness.ts'

export const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'long', required: false }] }
export const TABLES = '/v1/s3/namespaces/ns/tables'

/** S3 wants a digest of a list of what to delete. */
export const digest = (body: string) => ({ 'content-md5': createHash('md5').update(body).digest('base64') })

export interface Sent {
  readonly method: string
  readonly uri: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Bench {
  readonly server: TestServer
  readonly bucket: string
  readonly base: string
  readonly region: string
  readonly send: (method: string, path: string, options?: CallOptions) => Promise<Answer>
  /** Asks for a signature: for the table (`t`), or at another path. */
  readonly sign: (request: Sent, at?: string, token?: string) => Promise<Answer>
  /** Has it signed and sends it. */
  readonly ask: (request: Sent) => Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }>
}

export async function openSigning(t: TestContext, vending_strategy: unknown = { AwsSigning: {} }): Promise<Bench | undefined> {
  const minio = requireService(t, await startMinio())
  if (minio === undefined) return undefined
  const { endpoint, region } = minio
  const bucket = `signing-${randomUUID()}`
  await minio.createBucket(bucket)
  const server = await startTestServer(t)
  const send: Bench['send'] = (method, path, options) => call(server, method, path, options)
  const storage_config = {
    type: 's3',
    bucket,
    endpoint,
    region,
    access_key_id: minio.accessKey,
    secret_access_key: minio.secretKey,
  }
  const warehouse = await send('POST', '/api/v1/warehouses', { body: { name: 'w', storage_config, vending_strategy } })
  assert.equal(warehouse.status, 201, warehouse.text)
  const catalog = { name: 's3', warehouse_name: 'w', storage_location: `s3://${bucket}/lake` }
  assert.equal((await send('POST', '/api/v1/catalogs', { body: catalog })).status, 201)
  assert.equal((await send('POST', '/v1/s3/namespaces', { body: { namespace: ['ns'] } })).status, 200)
  for (const name of ['t', 't2']) {
    const body = { name, schema, location: `s3://${bucket}/lake/ns/${name}` }
    assert.equal((await send('POST', TABLES, { body })).status, 200)
  }
  const sign: Bench['sign'] = ({ method, uri, headers = {}, body }, at = `${TABLES}/t/sign`, token) => {
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    const options = token === undefined ? {} : { token }
    return send('POST', at, { body: { method, region, uri, headers: lists, body }, ...options })
  }
  const ask: Bench['ask'] = async (request) => {
    const signed = await sign(request)
    assert.equal(signed.status, 200, signed.text)
    const added = Object.entries(signed.json.headers as Record<string, string[]>).map(([name, values]) => [name, values.join()])
    const response = await fetch(signed.json.uri, {
      method: request.method,
      headers: { ...request.headers, ...Object.fromEntries(added) },
      ...(request.body === undefined ? {} : { body: request.body }),
    })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }
  return { server, bucket, region, base: `${endpoint}/${bucket}`, send, sign, ask }
}
