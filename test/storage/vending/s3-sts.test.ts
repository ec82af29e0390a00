/** AssumeRole on a real service: what the credentials open and what they do not, asked of the service itself. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, test } from 'node:test'
import * as S3 from '@aws-sdk/client-s3'
import { canonicalLocation } from '../../../src/iceberg/location.ts'
import { openStsVendor, sessionName, sessionTags, type StsOptions } from '../../../src/storage/vending/s3-sts.ts'
import { VendingError, type VendScope } from '../../../src/storage/vending/vending.ts'
import { startMinio } from '../../services/minio.ts'
import { requireService } from '../../services/require.ts'

const principal = { id: '0198c5c4-0000-7000-8000-000000000001', name: 'analyst', tenantId: 'tenant' }
const scope = (access: VendScope['access'], ...prefixes: string[]): VendScope => ({
  prefixes: prefixes.map((text) => canonicalLocation(text)),
  access,
  principal,
  lifetimeSeconds: 900,
})
const settings: StsOptions = {
  roleArn: 'arn:aws:iam::123456789012:role/lake',
  region: 'us-east-1',
  sessionTags: false,
  lifetimeSeconds: 3600,
}
test('credentials of MinIO for one table', async (t) => {
  const minio = requireService(t, await startMinio())
  if (minio === undefined) return
  const Bucket = 'vending-sts'
  const vendor = openStsVendor({
    ...settings,
    endpoint: minio.endpoint,
    credentials: { accessKeyId: minio.accessKey, secretAccessKey: minio.secretKey },
    sessionTags: true,
    externalId: 'outside',
  })
  const clients: S3.S3Client[] = []
  const client = (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) => {
    const made = new S3.S3Client({
      endpoint: minio.endpoint,
      region: minio.region,
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
    })
    clients.push(made)
    return made
  }
  const vended = async (access: VendScope['access'], ...prefixes: string[]) => {
    const { credentials, expiresAtMs } = await vendor.vend(scope(access, ...prefixes))
    const config = credentials[0]!.config
    assert.equal(config['s3.session-token-expires-at-ms'], String(expiresAtMs))
    assert.ok(expiresAtMs! > Date.now() && expiresAtMs! <= Date.now() + 1000_000)
    return client({
      accessKeyId: config['s3.access-key-id']!,
      secretAccessKey: config['s3.secret-access-key']!,
      sessionToken: config['s3.session-token']!,
    })
  }
  const put = (s3: S3.S3Client, Key: string) => s3.send(new S3.PutObjectCommand({ Bucket, Key, Body: 'text' }))
  const get = (s3: S3.S3Client, Key: string) => s3.send(new S3.GetObjectCommand({ Bucket, Key }))
  const remove = (s3: S3.S3Client, Key: string) => s3.send(new S3.DeleteObjectCommand({ Bucket, Key }))
  const list = (s3: S3.S3Client, Prefix?: string) => s3.send(new S3.ListObjectsV2Command({ Bucket, ...(Prefix && { Prefix }) }))
  const start = (s3: S3.S3Client, Key: string) => s3.send(new S3.CreateMultipartUploadCommand({ Bucket, Key }))
  const forbidden = (work: Promise<unknown>, what: string) =>
    assert.rejects(work, (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 403, what)

  await minio.createBucket(Bucket)
  const root = client({ accessKeyId: minio.accessKey, secretAccessKey: minio.secretKey })
  for (const key of ['ns/t/a', 'ns/t2/a', 'ns/other/a', 'top', 'odd/$+=,@:~! (x)&%20/a', 'odd/other/a', 'data/t/a'])
    await put(root, key)
  t.after(async () => {
    await vendor.close()
    for (const each of clients) each.destroy()
    await minio.stop()
  })

  const outside = ['ns/t2/a', 'ns/other/a', 'top', 'ns/t', 'ns/tx']
  await t.test('let a writer do everything inside and nothing outside', async () => {
    const s3 = await vended('read-write', `s3://${Bucket}/ns/t`)
    await put(s3, 'ns/t/data/new')
    assert.equal(await (await get(s3, 'ns/t/a')).Body?.transformToString(), 'text')
    assert.deepEqual(
      (await list(s3, 'ns/t/')).Contents?.map(({ Key }) => Key),
      ['ns/t/a', 'ns/t/data/new'],
    )
    const { UploadId } = await start(s3, 'ns/t/data/parts')
    const part = { Bucket, Key: 'ns/t/data/parts', UploadId }
    const { ETag } = await s3.send(new S3.UploadPartCommand({ ...part, PartNumber: 1, Body: 'text' }))
    await s3.send(new S3.CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] } }))
    const aborted = await start(s3, 'ns/t/data/aborted')
    await s3.send(new S3.AbortMultipartUploadCommand({ Bucket, Key: 'ns/t/data/aborted', UploadId: aborted.UploadId }))
    await remove(s3, 'ns/t/data/new')

    for (const key of outside) {
      await forbidden(get(s3, key), `get ${key}`)
      await forbidden(put(s3, key), `put ${key}`)
      await forbidden(remove(s3, key), `delete ${key}`)
      await forbidden(start(s3, key), `parts ${key}`)
    }
    await assert.rejects(get(s3, 'ns/t/../t2/a'))
    await forbidden(
      s3.send(new S3.CopyObjectCommand({ Bucket, Key: 'ns/t/copy', CopySource: `${Bucket}/ns/t2/a` })),
      'copy of a neighbour',
    )
    for (const prefix of [undefined, 'ns/', 'ns/t', 'ns/t2/', 'n']) await forbidden(list(s3, prefix), `list ${prefix}`)
  })

  await t.test('let a reader read and list, and change nothing', async () => {
    const s3 = await vended('read', `s3://${Bucket}/ns/t`)
    await get(s3, 'ns/t/a')
    await list(s3, 'ns/t/')
    for (const key of ['ns/t/a', 'ns/t/new', ...outside]) {
      await forbidden(put(s3, key), `put ${key}`)
      await forbidden(remove(s3, key), `delete ${key}`)
      await forbidden(start(s3, key), `parts ${key}`)
    }
    for (const key of outside) await forbidden(get(s3, key), `get ${key}`)
  })

  await t.test('work for a place with characters that policies or URLs could take for something else', async () => {
    const s3 = await vended('read-write', `s3://${Bucket}/odd/$+=,@:~! (x)&%20`)
    await get(s3, 'odd/$+=,@:~! (x)&%20/a')
    await put(s3, 'odd/$+=,@:~! (x)&%20/b')
    await forbidden(get(s3, 'odd/other/a'), 'neighbour')
    await forbidden(get(s3, 'odd/$+=,@:~! (x)& /a'), 'decoded')
  })

  await t.test('open two places of one table', async () => {
    const s3 = await vended('read', `s3://${Bucket}/ns/t`, `s3://${Bucket}/data/t`)
    await get(s3, 'ns/t/a')
    await get(s3, 'data/t/a')
    await forbidden(get(s3, 'ns/t2/a'), 'neighbour')
  })

  await t.test('are refused to a warehouse whose keys are wrong, without a word of them', async () => {
    const wrong = openStsVendor({
      ...settings,
      endpoint: minio.endpoint,
      credentials: { accessKeyId: minio.accessKey, secretAccessKey: 'hunter2hunter2' },
    })
    await assert.rejects(wrong.vend(scope('read', 's3://lake/t')), (error: unknown) => {
      assert.ok(error instanceof VendingError && error.kind === 'refused', String(error))
      assert.match(error.message, /arn:aws:iam::123456789012:role\/lake be assumed: \w+$/)
      return true
    })
    await wrong.close()
  })
})

describe('a request to the token service', () => {
  const answer = (fields: string) =>
    `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>${fields}</AssumeRoleResult></AssumeRoleResponse>`
  const webAnswer = (fields: string) => answer(fields).replaceAll('AssumeRole', 'AssumeRoleWithWebIdentity')
  const keys =
    '<Credentials><AccessKeyId>ID</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>'
  const asked: URLSearchParams[] = []
  let reply: { status: number; body: string } | 'silence' = { status: 200, body: '' }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      asked.push(new URLSearchParams(body))
      if (reply === 'silence') return
      response.writeHead(reply.status, { 'content-type': 'text/xml' }).end(reply.body)
    })
  })
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-identity-'))
  let endpoint = ''
  const open = (options: Partial<StsOptions> = {}) =>
    openStsVendor({ ...settings, endpoint, credentials: { accessKeyId: 'AK', secretAccessKey: 'hunter2' }, ...options })
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })

  it('always carries a policy, says who asked and for how long, and knows the external id', async () => {
    reply = { status: 200, body: answer(keys) }
    asked.length = 0
    const vended = await open({ externalId: 'outside', sessionTags: true }).vend(scope('read', 's3://lake/t'))
    assert.equal(vended.expiresAtMs, Date.UTC(2099, 0, 1))
    const [form] = asked
    assert.equal(form?.get('Action'), 'AssumeRole')
    assert.match(form?.get('Policy') ?? '', /"arn:aws:s3:::lake\/t\/\*"/)
    assert.equal(form?.get('DurationSeconds'), '900')
    assert.equal(form?.get('ExternalId'), 'outside')
    assert.equal(form?.get('RoleSessionName'), `analyst-${principal.id}`)
    assert.equal(form?.get('Tags.member.1.Value'), 'analyst')
    asked.length = 0
    await assert.rejects(open().vend({ ...scope('read'), prefixes: [] }), VendingError)
    await assert.rejects(open().vend(scope('read', 's3://lake')), VendingError)
    assert.equal(asked.length, 0, 'nothing was asked for without a policy')
  })

  it('shows the identity of the file as it is now', async () => {
    const webIdentityTokenFile = join(folder, 'token')
    reply = { status: 200, body: webAnswer(keys) }
    const vendor = open({ webIdentityTokenFile, credentials: undefined })
    await assert.rejects(vendor.vend(scope('read', 's3://lake/t')), /web identity token can not be read/)
    for (const token of ['first', 'second']) {
      writeFileSync(webIdentityTokenFile, `${token}\n`)
      await vendor.vend(scope('read', 's3://lake/t'))
      assert.equal(asked.at(-1)?.get('Action'), 'AssumeRoleWithWebIdentity')
      assert.equal(asked.at(-1)?.get('WebIdentityToken'), token)
      assert.match(asked.at(-1)?.get('Policy') ?? '', /lake\/t/)
    }
  })

  it('that fails is told by its code alone: refused, invalid, or to be tried again', async () => {
    const failing = async (status: number, code: string): Promise<string> => {
      const body = `<ErrorResponse><Error><Code>${code}</Code><Message>the secret is hunter2</Message></Error></ErrorResponse>`
      reply = { status, body }
      try {
        await open().vend(scope('read', 's3://lake/t'))
      } catch (error) {
        assert.ok(error instanceof VendingError)
        assert.ok(
          !error.message.includes('hunter2') &&
            error.message.endsWith(`: ${error.cause instanceof Error ? error.cause.name : ''}`),
          error.message,
        )
        return error.kind
      }
      return 'succeeded'
    }
    assert.equal(await failing(403, 'AccessDenied'), 'refused')
    assert.equal(await failing(400, 'ExpiredTokenException'), 'refused')
    assert.equal(await failing(400, 'PackedPolicyTooLarge'), 'invalid')
    assert.equal(await failing(400, 'Throttling'), 'unavailable')
    assert.equal(await failing(503, 'ServiceUnavailable'), 'unavailable')
  })

  it('that is answered without credentials gives none', async () => {
    for (const fields of ['', keys.replace('TOKEN', ''), keys.replace(/<Expiration>.*<\/Expiration>/, '')]) {
      reply = { status: 200, body: answer(fields) }
      await assert.rejects(open().vend(scope('read', 's3://lake/t')), /no session credentials/)
    }
  })
})

describe('the name of a session', () => {
  it('has the characters that are allowed, whatever the principal is called', () => {
    for (const name of [
      '',
      'a',
      'é'.repeat(100),
      '*',
      '${aws:username}',
      'a\r\nb',
      '"',
      'x'.repeat(1000),
      '\u{1F9CA}',
      '../..',
      ' ',
    ]) {
      for (const id of ['', 'b', principal.id, 'z'.repeat(500), '\0']) {
        assert.match(sessionName({ id, name, tenantId: 't' }), /^[\w+=,.@-]{2,64}$/)
        for (const { Key, Value } of sessionTags({ id, name, tenantId: name })) {
          assert.match(Key, /^[\w-]{1,128}$/)
          assert.match(Value, /^[\w.+=@-]{0,256}$/)
        }
      }
    }
  })
})
