/** Signatures, against an implementation that we did not write. */
import assert from 'node:assert/strict'
import { createHash, createHmac, type BinaryLike } from 'node:crypto'
import { test } from 'node:test'
import { SignatureV4 } from '@smithy/signature-v4'
import * as fc from 'fast-check'
import { createSigner, type CanonicalRequest } from '../../src/storage/signing.ts'

class Sha256 {
  readonly #hash
  constructor(secret?: BinaryLike) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret)
  }
  update(data: BinaryLike): void {
    this.#hash.update(data)
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
}

async function byOthers(request: CanonicalRequest, region: string, credentials: object, nowMs: number): Promise<string> {
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials: credentials as { accessKeyId: string; secretAccessKey: string },
    sha256: Sha256 as never,
    uriEscapePath: false,
    applyChecksum: false,
  })
  const path = request.path.split('/').map(encodeURIComponent).join('/')
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'https:',
      hostname: request.authority,
      path: path.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
      query: Object.fromEntries(request.query),
      headers: { ...Object.fromEntries(request.headers), host: request.authority, 'x-amz-content-sha256': request.payload },
    },
    { signingDate: new Date(nowMs) },
  )
  return signed.headers['authorization']!
}

const text = (of: string) => fc.string({ unit: fc.constantFrom(...of), minLength: 1, maxLength: 12 })
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((one) => one.isWellFormed())
const requests = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE'),
  authority: fc.constantFrom('s3.eu-west-1.amazonaws.com', '127.0.0.1:9000', 'b.minio.example'),
  path: fc
    .array(
      anyText.map((one) => one.replaceAll('/', '_')),
      { maxLength: 5 },
    )
    .map((segments) => `/${segments.join('/')}`),
  // The other implementation puts names into an object, where `__proto__` is lost.
  query: fc
    .dictionary(
      fc.oneof(
        text('abcXYZ-.~!()*'),
        anyText.filter((name) => name !== '__proto__'),
      ),
      fc.oneof(fc.constant(''), anyText),
      { maxKeys: 6 },
    )
    .map(Object.entries),
  headers: fc
    .dictionary(
      text('abcxyz0123-').map((name) => `x-amz-meta-${name}`),
      text("ab  CD'();=/+~"),
      { maxKeys: 5 },
    )
    .map((headers) => new Map(Object.entries(headers))),
  payload: fc.constantFrom('UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'a'.repeat(64)),
})
const credentials = fc.record(
  { accessKeyId: text('ABC0123'), secretAccessKey: text('abc/+='), sessionToken: text('abc/+=') },
  { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
)

test('a signature is what another implementation makes of the same request', async () => {
  await fc.assert(
    fc.asyncProperty(
      requests,
      credentials,
      fc.constantFrom('us-east-1', 'eu-west-1'),
      fc.integer({ min: 1.4e12, max: 4e12 }),
      async (request, keys, region, nowMs) => {
        const signer = createSigner(region)
        const { headers } = signer.sign(request, keys, nowMs)
        assert.equal(headers['authorization'], await byOthers(request, region, keys, nowMs))
        assert.equal(headers['x-amz-security-token'], keys.sessionToken)
        // The key of a day is kept, and made anew for another day and for other keys.
        const [later, others] = [nowMs + 86_400_000, { ...keys, secretAccessKey: `${keys.secretAccessKey}x` }]
        assert.equal(signer.sign(request, keys, later).headers['authorization'], await byOthers(request, region, keys, later))
        assert.equal(signer.sign(request, others, later).headers['authorization'], await byOthers(request, region, others, later))
      },
    ),
    { numRuns: 300 },
  )
})

test("the example of Amazon's documentation", () => {
  const { headers, target } = createSigner('us-east-1').sign(
    {
      method: 'GET',
      authority: 'examplebucket.s3.amazonaws.com',
      path: '/',
      query: [
        ['max-keys', '2'],
        ['prefix', 'J'],
      ],
      headers: new Map(),
      payload: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    Date.UTC(2013, 4, 24),
  )
  assert.equal(target, '/?max-keys=2&prefix=J')
  assert.match(headers['authorization']!, /Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/)
})
