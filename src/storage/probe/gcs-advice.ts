/** What to do when Google Cloud Storage, or Google's token service, refuses. */
import { gcsCredential, gcsPlace } from '../gcs-settings.ts'
import type { Settings } from '../kind.ts'
import { networkAdvice } from './advice.ts'
import type { Fault } from './fault.ts'

const PERMISSIONS = {
  write: 'storage.objects.create',
  read: 'storage.objects.get',
  list: 'storage.objects.list',
  delete: 'storage.objects.delete',
} as const

function identity(settings: Settings): string {
  const credential = gcsCredential(settings)
  if (credential === 'none') return 'everybody (gcs.no-auth)'
  return credential === 'ambient' ? 'the service account of this machine' : credential.email
}

export function gcsAdvice(fault: Fault, settings: Settings): string | undefined {
  const { bucket, serviceHost, stsEndpoint } = gcsPlace(settings)
  const who = identity(settings)
  if (fault.message.includes("Can't get a token for Google") || fault.message.includes("Can't get a token for the Google"))
    return fault.message.includes('metadata service')
      ? 'The server does not run on a machine of Google with a service account: send gcs.service-account-key'
      : `Google gives ${who} no token: check that its key is not deleted, that gcs.token-uri is right and that the server's clock is`
  if (fault.doing === 'vend') {
    const network = networkAdvice(fault, { setting: 'gcs.sts-endpoint', value: stsEndpoint })
    return (
      network ??
      `Let the token service at ${stsEndpoint} exchange tokens of ${who}: the bucket ${bucket} needs uniform bucket-level access`
    )
  }
  const network = networkAdvice(fault, { setting: 'gcs.service.host', value: serviceHost })
  if (network !== undefined) return network
  if (fault.status === 401) return `Google does not accept the token of ${who}: check the service account and the server's clock`
  if (fault.kind === 'forbidden')
    return fault.as === 'client'
      ? `Give ${who} roles/storage.objectUser on the bucket ${bucket}, and the bucket uniform bucket-level access: narrowed tokens work with that alone`
      : `Give ${who} ${PERMISSIONS[fault.doing]} on the bucket ${bucket}, best by roles/storage.objectUser`
  if (fault.status === 404) return `Make the bucket ${bucket}, or correct gcs.bucket`
  return undefined
}
