/**
 * Warehouses on the emulators of Azure and Google Cloud Storage, with the way to credentials that works there: Azurite knows
 * no signatures for directories, so Azure's are for the container; Google's tokens come from a stand-in, and a proxy of ours
 * enforces them.
 */
import { randomUUID } from 'node:crypto'
import { startAzurite } from '../services/azurite.ts'
import { startBoundaryProxy } from '../services/gcs-boundary-proxy.ts'
import { startFakeGcs } from '../services/gcs.ts'
import { startGoogleIdentity, type GoogleIdentity } from '../services/google-identity.ts'
import type { Availability } from '../services/require.ts'

export interface Lake {
  readonly kind: 'azure' | 'gcs'
  readonly storageConfig: Readonly<Record<string, string>>
  readonly vendingStrategy: object
}

export async function azureLake(): Promise<Availability<Lake>> {
  const azurite = await startAzurite()
  if ('missing' in azurite) return azurite
  const { account: account_name, accountKey: account_key, blobEndpoint: blob_endpoint, createContainer } = azurite.value
  const container = `c-${randomUUID()}`
  await createContainer(container)
  const storageConfig = { type: 'azure', container, account_name, account_key, blob_endpoint }
  return { value: { kind: 'azure', storageConfig, vendingStrategy: { AzureSas: { scope: 'container' } } } }
}

export interface GoogleLake {
  readonly lake: Lake
  readonly identity: GoogleIdentity
  /** Of what stands before fake-gcs-server, which itself is the process's. */
  readonly stop: () => Promise<void>
}

export async function googleLake(): Promise<Availability<GoogleLake>> {
  const gcs = await startFakeGcs()
  if ('missing' in gcs) return gcs
  const bucket = `b-${randomUUID()}`
  await gcs.value.createBucket(bucket)
  const identity = await startGoogleIdentity()
  const proxy = await startBoundaryProxy(gcs.value.serviceHost, identity.boundaryOf)
  const storageConfig = {
    type: 'gcs',
    bucket,
    project_id: 'my-project',
    service_account_key: identity.keyFile,
    'gcs.service.host': proxy.serviceHost,
    'gcs.sts-endpoint': identity.stsEndpoint,
  }
  const stop = async (): Promise<void> => {
    await proxy.stop()
    await identity.stop()
  }
  return { value: { lake: { kind: 'gcs', storageConfig, vendingStrategy: { GcpDownscoped: {} } }, identity, stop } }
}
