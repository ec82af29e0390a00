/** What to do when Azure refuses: the account, the container, the key, the role, or a signature that the account can't have. */
import { adlsPlace } from '../adls-settings.ts'
import type { ChosenStrategy, Settings } from '../kind.ts'
import { networkAdvice } from './advice.ts'
import { has, type Fault } from './fault.ts'

const ROLE = 'the role Storage Blob Data Contributor'
const FLAT =
  'Azure has signatures for directories only on accounts with a hierarchical namespace: move to such an account, or set "scope" of vending_strategy AzureSas to "container", which opens the whole container to whoever may read one table'

/** No flat account, and no emulator, takes a signature for a directory. */
const isDirectorySignature = ({ as, kind, doing }: Fault, strategy: Settings): boolean =>
  as === 'client' && doing !== 'vend' && ['forbidden', 'invalid'].includes(kind) && strategy['azure.sas-scope'] !== 'container'

export function adlsAdvice(
  fault: Fault,
  settings: Settings,
  { variant, settings: strategy }: ChosenStrategy,
): string | undefined {
  const { account, container, blobEndpoint, authorityHost } = adlsPlace(settings)
  const principal = settings['azure.client-id']
  const network = networkAdvice(fault, { setting: 'azure.account-name or azure.blob-endpoint', value: blobEndpoint })
  if (network !== undefined) return network
  if (has(fault, 'ContainerNotFound', 'FilesystemNotFound'))
    return `Make the container ${container} in the account ${account}, or correct azure.container`
  if (has(fault, 'ContainerBeingDeleted', 'ContainerDisabled'))
    return `Wait until Azure has let go of the container ${container}, or take another`
  if (has(fault, 'KeyBasedAuthenticationNotPermitted'))
    return `The account ${account} allows no account keys: allow them there, or use a service principal (azure.tenant-id, azure.client-id, azure.client-secret)`
  if (variant === 'AzureSas' && isDirectorySignature(fault, strategy)) return FLAT
  if (has(fault, 'AuthorizationPermissionMismatch', 'InsufficientAccountPermissions'))
    return `Give ${principal === undefined ? "the warehouse's credential" : `the service principal ${principal}`} ${ROLE} on the account ${account}`
  if (has(fault, 'AuthorizationFailure')) {
    const firewall = `the firewall of the account ${account} (Networking) keeps the server out`
    return principal === undefined
      ? `Either ${firewall}, or azure.account-key is not a key of the account`
      : `Probably ${firewall}: let it through`
  }
  if (fault.doing === 'vend')
    return principal === undefined
      ? 'Correct azure.account-key: no signature could be made with it'
      : `Give the service principal ${principal} ${ROLE} (or Storage Blob Delegator) on the account ${account}, not on the container alone`
  if (fault.message.startsWith("Can't get a token"))
    return `Correct azure.tenant-id, azure.client-id or azure.client-secret: ${authorityHost} gives the service principal no token`
  if (has(fault, 'AuthenticationFailed') || fault.kind === 'forbidden')
    return principal === undefined
      ? `azure.account-key is not a key of the account ${account}, or the server's clock is wrong by more than 15 minutes`
      : `Give the service principal ${principal} ${ROLE} on the account ${account}`
  return undefined
}
