/** Vended credentials on MinIO, and on the clouds themselves where the environment names an account. */
import { randomUUID } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { startMinio } from '../../services/minio.ts'
import { requireService } from '../../services/require.ts'
import { openRealAccount, skipsAccount } from '../real-accounts.ts'
import { provesScope } from './scope.ts'

const NAMES = ['t', "it's", 'p=a%2Fb', 'sp ace', '\u00fcn\u00efc\u00f6de']
const STRATEGIES = [
  ['S3', 'PANGOLIN_TEST_S3', { AwsSts: {} }],
  ['Azure', 'PANGOLIN_TEST_AZURE', { AzureSas: {} }],
  ['Google Cloud Storage', 'PANGOLIN_TEST_GCS', { GcpDownscoped: {} }],
] as const

describe('vended credentials', () => {
  after(async () => {
    const minio = await startMinio()
    if ('value' in minio) await minio.value.stop()
  })

  it('on S3, on MinIO, open one table and nothing beside it', async (test) => {
    const minio = requireService(test, await startMinio())
    if (!minio) return
    const bucket = `b-${randomUUID()}`
    await minio.createBucket(bucket)
    const { endpoint, region, accessKey: access_key_id, secretKey: secret_access_key } = minio
    const storageConfig = { type: 's3', bucket, prefix: 'lake', endpoint, region, access_key_id, secret_access_key }
    await provesScope({ storageConfig, vendingStrategy: { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake' } } }, NAMES)
  })

  for (const [title, variable, vendingStrategy] of STRATEGIES) {
    it(
      `on ${title}, on the account of ${variable}, open one table and nothing beside it`,
      { skip: skipsAccount(variable) },
      async (test) => {
        const { storageConfig } = await openRealAccount(test, variable)
        await provesScope({ storageConfig, vendingStrategy }, NAMES)
      },
    )
  }
})
