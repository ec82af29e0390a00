/** The advice on each fault that clouds are known for and emulators do not have. The codes are those of their documentation. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openProbeTarget, type WarehouseSettings } from '../../../src/storage/open.ts'
import { faultOf, type Doing } from '../../../src/storage/probe/fault.ts'
import { StorageError, type StorageErrorKind } from '../../../src/storage/storage.ts'
import { VendingError, type VendingErrorKind } from '../../../src/storage/vending/vending.ts'

interface Case {
  readonly doing: Doing
  readonly kind: StorageErrorKind
  readonly error: object
  readonly client?: true
}

const role = 'arn:aws:iam::1:role/lake'
const s3: WarehouseSettings = {
  storageConfig: { bucket: 'acme', prefix: 'lake', region: 'eu-west-1' },
  vendingStrategy: { AwsSts: { role_arn: role, external_id: 'ext-1', session_tags: 'true' } },
}

async function adviceOn(warehouse: WarehouseSettings, { doing, kind, error, client }: Case): Promise<string> {
  const target = openProbeTarget(warehouse)
  const problem =
    doing === 'vend'
      ? new VendingError(kind as VendingErrorKind, 'vend', error)
      : new StorageError(kind, `Can't ${doing} it`, error)
  const fault = faultOf(problem, { doing, as: client ? 'client' : 'server', what: 'it' })
  await Promise.all([target.store.close(), target.vending?.vendor.close()])
  return target.advise(fault) ?? 'no advice'
}

describe('advice on S3', () => {
  const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }
  it('names the action and the resource', async () => {
    const on = (doing: Doing, client?: true) =>
      adviceOn(s3, { doing, kind: 'forbidden', error: denied, ...(client && { client }) })
    assert.match(await on('write'), /Allow s3:PutObject on arn:aws:s3:::acme\/lake\/\* in the policies of the warehouse/)
    assert.match(await on('read'), /Allow s3:GetObject on arn:aws:s3:::acme\/lake\/\*/)
    assert.match(await on('delete'), /Allow s3:DeleteObject on arn:aws:s3:::acme\/lake\/\*/)
    assert.match(await on('list'), /Allow s3:ListBucket on arn:aws:s3:::acme in/)
    assert.match(await on('write', true), /s3:PutObject .* the role's own policies/)
  })

  it('knows the region, the clock, the host and the missing keys', async () => {
    const on = (error: object, kind: StorageErrorKind = 'invalid', warehouse = s3) =>
      adviceOn(warehouse, { doing: 'write', kind, error })
    const redirect = { name: 'PermanentRedirect', $metadata: { httpStatusCode: 301 } }
    assert.match(await on(redirect), /is in another region, not in eu-west-1: set s3\.region/)
    assert.match(
      await on({ name: 'AuthorizationHeaderMalformed', Region: 'us-west-2' }),
      /The bucket acme is in us-west-2, not in eu-west-1/,
    )
    const told = { ...redirect, $response: { headers: { 'x-amz-bucket-region': 'eu-north-1' } } }
    assert.match(await on(told), /is in eu-north-1/)
    assert.match(await on({ name: 'RequestTimeTooSkewed', $metadata: { httpStatusCode: 403 } }, 'forbidden'), /clock.*NTP/)
    assert.match(await on({ name: 'CredentialsProviderError' }, 'unavailable'), /has no keys.*s3\.access-key-id/)
    assert.match(await on({ name: 'ExpiredToken', $metadata: { httpStatusCode: 400 } }), /s3\.session-token is over/)
    const virtual = { storageConfig: { ...s3.storageConfig, endpoint: 'http://minio.example:9000', path_style_access: 'false' } }
    assert.match(await on({ name: 'Error', code: 'ENOTFOUND' }, 'unavailable', virtual), /s3\.path-style-access to true/)
    assert.match(await on({ name: 'TimeoutError' }, 'unavailable'), /did not answer in time/)
    assert.match(await on({ name: 'Error', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'unavailable'), /NODE_EXTRA_CA_CERTS/)
  })

  it('knows what a token service wants', async () => {
    const on = (error: object, kind: string) =>
      adviceOn(s3, { doing: 'vend', kind: kind as StorageErrorKind, error, client: true })
    assert.match(
      await on(denied, 'refused'),
      /trust policy of arn:aws:iam::1:role\/lake allow sts:AssumeRole and sts:TagSession .*external_id/,
    )
    assert.match(
      await on({ name: 'NotImplemented', $metadata: { httpStatusCode: 501 } }, 'unavailable'),
      /no token service.*AwsStatic/,
    )
    assert.match(
      await on({ name: 'RegionDisabledException', $metadata: { httpStatusCode: 403 } }, 'refused'),
      /Activate .* eu-west-1/,
    )
    assert.match(
      await on({ name: 'InvalidClientTokenId', $metadata: { httpStatusCode: 403 } }, 'refused'),
      /does not know this access key/,
    )
    assert.match(await on({}, 'invalid'), /shorter s3\.prefix/)
  })
})

describe('advice on Azure', () => {
  const account = { type: 'azure', container: 'lake', account_name: 'acme' }
  const byKey = { storageConfig: { ...account, account_key: 'a2V5' } }
  const principal = {
    storageConfig: { ...account, tenant_id: 't', client_id: 'app-1', client_secret: 's' },
    vendingStrategy: { AzureSas: {} },
  }
  const on = (warehouse: WarehouseSettings, code: string, statusCode = 403, more: Partial<Case> = {}) =>
    adviceOn(warehouse, { doing: 'write', kind: 'forbidden', error: { name: 'RestError', code, statusCode }, ...more })

  it('knows keys, roles, firewalls and flat accounts', async () => {
    assert.match(
      await on(byKey, 'AuthenticationFailed'),
      /azure\.account-key is not a key of the account acme, or the server's clock/,
    )
    assert.match(await on(byKey, 'KeyBasedAuthenticationNotPermitted'), /allows no account keys/)
    assert.match(await on(principal, 'AuthorizationPermissionMismatch'), /principal app-1 the role Storage Blob Data Contributor/)
    assert.match(await on(principal, 'AuthorizationFailure'), /firewall of the account acme/)
    assert.match(await on(principal, 'AuthenticationFailed', 403, { client: true }), /hierarchical namespace.*"container"/)
    assert.match(await on(byKey, 'ContainerNotFound', 404, { kind: 'invalid' }), /Make the container lake in the account acme/)
    const vend = { doing: 'vend', kind: 'refused' as StorageErrorKind, client: true } as const
    assert.match(
      await on(principal, 'AuthorizationPermissionMismatch', 403, vend),
      /app-1 the role Storage Blob Data Contributor/,
    )
    assert.match(await on(principal, 'Forbidden', 403, vend), /Storage Blob Delegator/)
    assert.match(
      await adviceOn(byKey, { doing: 'write', kind: 'unavailable', error: { code: 'ENOTFOUND' } }),
      /azure\.account-name/,
    )
  })
})

describe('advice on Google Cloud Storage', () => {
  const machine = { storageConfig: { type: 'gcs', bucket: 'lake' }, vendingStrategy: { GcpDownscoped: {} } }
  it('names the permission and who needs it', async () => {
    const on = (status: number, more: Partial<Case> = {}) =>
      adviceOn(machine, { doing: 'write', kind: 'forbidden', error: { status }, ...more })
    assert.match(await on(403), /Give the service account of this machine storage\.objects\.create on the bucket lake/)
    assert.match(await on(403, { doing: 'list' }), /storage\.objects\.list/)
    assert.match(await on(403, { client: true }), /uniform bucket-level access/)
    assert.match(await on(401), /does not accept the token/)
    assert.match(await on(404, { kind: 'invalid' }), /Make the bucket lake/)
    assert.match(await on(400, { doing: 'vend', client: true }), /uniform bucket-level access/)
  })
})
