/** What a warehouse on Azure may say, what follows from it, and what clients are told of it. */
import { badRequest } from '../iceberg/errors.ts'
import { canonicalLocation, type Location } from '../iceberg/location.ts'
import { validateEndpoint, withoutSlash } from './endpoint.ts'
import type { Settings, StorageKind } from './kind.ts'

export interface AdlsPlace {
  readonly root: Location
  readonly account: string
  readonly container: string
  /** `account.dfs.core.windows.net`: how locations and clients' settings name the account, wherever it is served. */
  readonly host: string
  readonly blobEndpoint: string
  readonly authorityHost: string
}

const PUBLIC_CLOUD = 'core.windows.net'
const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com'

export const adlsKeys: StorageKind['keys'] = {
  'azure.container': { aliases: ['container', 'filesystem', 'azure.filesystem', 'adls.container'], required: true },
  'azure.account-name': { aliases: ['account_name', 'adls.account-name'], required: true },
  'azure.prefix': { aliases: ['prefix', 'adls.prefix'] },
  'azure.account-key': { aliases: ['account_key', 'adls.account-key'], secret: true },
  'azure.tenant-id': { aliases: ['tenant_id', 'adls.tenant-id'] },
  'azure.client-id': { aliases: ['client_id', 'adls.client-id'] },
  'azure.client-secret': { aliases: ['client_secret', 'adls.client-secret'], secret: true },
  'azure.authority-host': { aliases: ['authority_host', 'adls.authority-host'] },
  'azure.endpoint-suffix': { aliases: ['endpoint_suffix', 'adls.endpoint-suffix'] },
  'azure.blob-endpoint': { aliases: ['blob_endpoint', 'endpoint', 'adls.blob-endpoint'] },
  'azure.dfs-endpoint': { aliases: ['dfs_endpoint', 'adls.dfs-endpoint'] },
}

export function adlsPlace(settings: Settings): AdlsPlace {
  const account = settings['azure.account-name'] ?? ''
  const container = settings['azure.container'] ?? ''
  const suffix = settings['azure.endpoint-suffix'] ?? PUBLIC_CLOUD
  const prefix = (settings['azure.prefix'] ?? '').replace(/^\/|\/$/g, '')
  const host = `${account}.dfs.${suffix}`
  return {
    root: canonicalLocation(`abfss://${container}@${host}${prefix === '' ? '' : `/${prefix}`}`, { schemes: ['abfss'] }),
    account,
    container,
    host,
    blobEndpoint: withoutSlash(settings['azure.blob-endpoint'] ?? `https://${account}.blob.${suffix}`),
    authorityHost: withoutSlash(settings['azure.authority-host'] ?? PUBLIC_AUTHORITY),
  }
}

export const isBase64Key = (key: string): boolean =>
  /^[A-Za-z0-9+/]+={0,2}$/.test(key) && Buffer.from(key, 'base64').toString('base64') === key

export function validateAdls(settings: Settings): void {
  const { 'azure.account-name': account = '', 'azure.container': container = '', 'azure.account-key': key } = settings
  if (!/^[a-z0-9]{3,24}$/.test(account))
    throw badRequest(`azure.account-name must have 3 to 24 lower-case letters and digits, not "${account}"`)
  if (!/^(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*$/.test(container))
    throw badRequest(`azure.container must have 3 to 63 lower-case letters, digits and single hyphens, not "${container}"`)
  if (key !== undefined && !isBase64Key(key)) throw badRequest('azure.account-key must be in base64, as Azure shows it')
  for (const [name, path] of [
    ['azure.blob-endpoint', true],
    ['azure.dfs-endpoint', true],
    ['azure.authority-host', false],
  ] as const) {
    const endpoint = settings[name]
    if (endpoint !== undefined) validateEndpoint(name, endpoint, { path })
  }
  const suffix = settings['azure.endpoint-suffix']
  if (suffix !== undefined && !/^(?=.{3,100}$)[a-z0-9](-?[a-z0-9])*(\.[a-z0-9](-?[a-z0-9])*)+$/.test(suffix))
    throw badRequest('azure.endpoint-suffix must be a domain, such as core.windows.net')
  validatePrincipal(settings)
  if (key === undefined && settings['azure.client-secret'] === undefined)
    throw badRequest(
      'storage_config of type azure must have azure.account-key, or azure.tenant-id, azure.client-id and azure.client-secret',
    )
}

function validatePrincipal(settings: Settings): void {
  const names = ['azure.tenant-id', 'azure.client-id', 'azure.client-secret']
  const given = names.filter((name) => settings[name] !== undefined)
  if (given.length !== 0 && given.length !== names.length) throw badRequest(`${names.join(', ')} must be given together`)
  if (given.length === 0) return
  // The client library sends a principal's token over TLS only.
  if (settings['azure.blob-endpoint']?.startsWith('http:') === true)
    throw badRequest('azure.blob-endpoint must begin with https: where a service principal is used')
  if (!/^[A-Za-z0-9.-]{1,100}$/.test(settings['azure.tenant-id'] ?? ''))
    throw badRequest("azure.tenant-id must be a directory's id or domain")
}

/** Where an endpoint of its own is served, in the words of PyIceberg's two file IOs and of the JVM. */
function endpoints(settings: Settings): Settings {
  const { 'azure.blob-endpoint': blob, 'azure.dfs-endpoint': dfs } = settings
  const authority = (name: string, endpoint: string | undefined): Settings => {
    if (endpoint === undefined) return {}
    const { host, protocol } = new URL(endpoint)
    return { [`adls.${name}-storage-authority`]: host, [`adls.${name}-storage-scheme`]: protocol.slice(0, -1) }
  }
  return {
    ...authority('blob', blob),
    ...authority('dfs', dfs ?? blob),
    ...(dfs === undefined ? {} : { [`adls.connection-string.${adlsPlace(settings).host}`]: withoutSlash(dfs) }),
  }
}

export function adlsClientConfig(settings: Settings): Settings {
  return { 'adls.account-name': adlsPlace(settings).account, ...endpoints(settings) }
}
