/** What a warehouse on Google Cloud Storage may say, what follows from it, and what clients are told of it. */
import { createPrivateKey } from 'node:crypto'
import { badRequest } from '../iceberg/errors.ts'
import { canonicalLocation, type Location } from '../iceberg/location.ts'
import { validateEndpoint, withoutSlash } from './endpoint.ts'
import type { Settings, StorageKind } from './kind.ts'

export interface ServiceAccount {
  readonly email: string
  /** PEM. */
  readonly privateKey: string
  readonly keyId: string | undefined
  readonly tokenUri: string
}

/** How the server proves itself: not at all (emulators), as the machine it runs on, or as a service account. */
export type GcsCredential = 'none' | 'ambient' | ServiceAccount

export interface GcsPlace {
  readonly root: Location
  readonly bucket: string
  readonly serviceHost: string
  readonly stsEndpoint: string
}

const SERVICE_HOST = 'https://storage.googleapis.com'
const STS_ENDPOINT = 'https://sts.googleapis.com/v1/token'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'

export const gcsKeys: StorageKind['keys'] = {
  'gcs.bucket': { aliases: ['bucket', 'gcp.bucket'], required: true },
  'gcs.prefix': { aliases: ['prefix', 'gcp.prefix'] },
  'gcs.project-id': { aliases: ['project_id', 'gcp.project-id'] },
  'gcs.service-account-key': {
    aliases: ['service_account_key', 'gcp.service-account', 'gcp.service-account-key'],
    secret: true,
    multiline: true,
  },
  'gcs.service.host': { aliases: ['service_host', 'endpoint', 'gcp.endpoint'] },
  'gcs.token-uri': { aliases: ['token_uri', 'gcp.token-uri'] },
  'gcs.sts-endpoint': { aliases: ['sts_endpoint', 'gcp.sts-endpoint'] },
  'gcs.no-auth': { aliases: ['no_auth'] },
}

export function gcsPlace(settings: Settings): GcsPlace {
  const bucket = settings['gcs.bucket'] ?? ''
  const prefix = (settings['gcs.prefix'] ?? '').replace(/^\/|\/$/g, '')
  return {
    root: canonicalLocation(`gs://${bucket}${prefix === '' ? '' : `/${prefix}`}`, { schemes: ['gs'] }),
    bucket,
    serviceHost: withoutSlash(settings['gcs.service.host'] ?? SERVICE_HOST),
    stsEndpoint: settings['gcs.sts-endpoint'] ?? STS_ENDPOINT,
  }
}

const noAuth = (settings: Settings): boolean => settings['gcs.no-auth']?.toLowerCase() === 'true'

const fieldOf = (key: object, name: string): string | undefined => {
  const value: unknown = Object.hasOwn(key, name) ? (key as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The fields of a service account's key file. Messages never hold a part of it. */
function readKeyFile(text: string): {
  email: string
  privateKey: string
  keyId: string | undefined
  tokenUri: string | undefined
} {
  let key: unknown
  try {
    key = JSON.parse(text)
  } catch {
    throw badRequest('gcs.service-account-key must be the JSON of a service account key, not the name of a file')
  }
  const [email, privateKey] = ['client_email', 'private_key'].map((name) =>
    typeof key === 'object' && key !== null ? fieldOf(key, name) : undefined,
  )
  if (email === undefined || privateKey === undefined)
    throw badRequest('gcs.service-account-key must be the JSON of a service account key, with client_email and private_key')
  return { email, privateKey, keyId: fieldOf(key as object, 'private_key_id'), tokenUri: fieldOf(key as object, 'token_uri') }
}

/** `gcs.client-email` and `gcs.private-key` stand for the fields of a vending strategy. */
export function gcsCredential(settings: Settings): GcsCredential {
  const { 'gcs.service-account-key': keyFile, 'gcs.client-email': email, 'gcs.private-key': privateKey } = settings
  if (keyFile !== undefined) {
    const key = readKeyFile(keyFile)
    return { ...key, tokenUri: settings['gcs.token-uri'] ?? key.tokenUri ?? TOKEN_URI }
  }
  if (email !== undefined && privateKey !== undefined) {
    // Where a key travelled through an environment variable its lines are often joined by backslash and n.
    const pem = privateKey.replaceAll('\\n', '\n')
    return { email, privateKey: pem, keyId: undefined, tokenUri: settings['gcs.token-uri'] ?? TOKEN_URI }
  }
  return noAuth(settings) ? 'none' : 'ambient'
}

export function validateGcs(settings: Settings): void {
  for (const [name, path] of [
    ['gcs.service.host', false],
    ['gcs.token-uri', true],
    ['gcs.sts-endpoint', true],
  ] as const) {
    const endpoint = settings[name]
    if (endpoint !== undefined) validateEndpoint(name, endpoint, { path })
  }
  const { 'gcs.project-id': project, 'gcs.no-auth': without } = settings
  if (project !== undefined && !/^[a-z0-9][a-z0-9.:-]{1,62}$/.test(project))
    throw badRequest('gcs.project-id must be the id of a project, such as my-project-123')
  if (without !== undefined && !/^(true|false)$/i.test(without))
    throw badRequest(`gcs.no-auth must be true or false, not "${without}"`)
  const credential = gcsCredential(settings)
  if (credential === 'ambient') validateAmbient(settings)
  else if (credential !== 'none') validateServiceAccount(credential)
}

function validateServiceAccount({ email, privateKey, tokenUri }: ServiceAccount): void {
  if (!/^[^@\s]{1,100}@[a-z0-9.-]{1,150}$/.test(email))
    throw badRequest('the service account must have an e-mail address as its name')
  validateEndpoint('token_uri of the service account', tokenUri, { path: true })
  let type: string | undefined
  try {
    type = createPrivateKey(privateKey).asymmetricKeyType
  } catch {
    throw badRequest('the private key of the service account must be in PEM')
  }
  if (type !== 'rsa') throw badRequest('the private key of the service account must be an RSA key')
}

/** The machine's own token is sent to Google (or to this machine) alone: a warehouse's settings must not lead it elsewhere. */
function validateAmbient(settings: Settings): void {
  for (const name of ['gcs.service.host', 'gcs.sts-endpoint']) {
    const endpoint = settings[name]
    if (endpoint === undefined) continue
    const { protocol, hostname } = new URL(endpoint)
    const isGoogle = protocol === 'https:' && (hostname === 'googleapis.com' || hostname.endsWith('.googleapis.com'))
    const isHere = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
    if (!isGoogle && !isHere)
      throw badRequest(
        `${name} must be a host of googleapis.com where the warehouse has no credential of its own (or gcs.no-auth)`,
      )
  }
}

export function gcsClientConfig(settings: Settings): Settings {
  const { 'gcs.project-id': project, 'gcs.service.host': host } = settings
  return {
    ...(project === undefined ? {} : { 'gcs.project-id': project }),
    ...(host === undefined ? {} : { 'gcs.service.host': withoutSlash(host) }),
    ...(noAuth(settings) ? { 'gcs.no-auth': 'true' } : {}),
  }
}
