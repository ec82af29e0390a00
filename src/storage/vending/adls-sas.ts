/**
 * Shared access signatures of Azure for one directory: the text that is signed and the query that comes of it, made here
 * because the blob client's generator knows no listing of directories. Tests hold it against that of the Data Lake client.
 */
import { createHmac } from 'node:crypto'

/** The service's version that defines the text; those up to 2025-07 share it. */
export const SAS_VERSION = '2021-12-02'

/** What signs: the account's key, or one that Azure delegated to a principal for some hours. */
export interface UserDelegationKey {
  readonly signedObjectId: string
  readonly signedTenantId: string
  readonly signedStartsOn: Date
  readonly signedExpiresOn: Date
  readonly signedService: string
  readonly signedVersion: string
  /** Base64. */
  readonly value: string
}

export interface SasGrant {
  readonly account: string
  readonly container: string
  /** Without slashes at its ends; `undefined` means the whole container. */
  readonly directory: string | undefined
  /** In Azure's order: `racwdl`. */
  readonly permissions: string
  readonly expiresOn: Date
  /** Also over plain HTTP, which emulators speak. */
  readonly plainHttp: boolean
  /** A UUID that Azure writes to its log with each request; only what a delegated key signs can have one. */
  readonly correlationId?: string | undefined
}

/** Seconds are the finest that signatures know. */
const moment = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`

const hmac = (key: string, text: string): string =>
  createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'utf8').digest('base64')

interface Fields {
  readonly resource: 'c' | 'd'
  readonly name: string
  readonly protocol: string
  readonly expiry: string
}

function fieldsOf({ account, container, directory, expiresOn, plainHttp }: SasGrant): Fields {
  const name = `/blob/${account}/${container}${directory === undefined ? '' : `/${directory}`}`
  // Lines are the fields of what is signed.
  if (/[\r\n]/.test(name) || directory === '') throw new TypeError('a directory has a name, on one line')
  return {
    resource: directory === undefined ? 'c' : 'd',
    name,
    protocol: plainHttp ? 'https,http' : 'https',
    expiry: moment(expiresOn),
  }
}

/** Snapshot time, encryption scope and five headers of answers. */
const UNUSED = Array.from({ length: 7 }, () => '')

function query(
  grant: SasGrant,
  { resource, protocol, expiry }: Fields,
  delegated: Record<string, string>,
  signature: string,
): string {
  return new URLSearchParams({
    sv: SAS_VERSION,
    spr: protocol,
    se: expiry,
    ...delegated,
    sr: resource,
    sp: grant.permissions,
    ...(grant.directory === undefined ? {} : { sdd: String(grant.directory.split('/').length) }),
    sig: signature,
  }).toString()
}

/** Signed with the account's key. */
export function serviceSas(grant: SasGrant, accountKey: string): string {
  const fields = fieldsOf(grant)
  const [start, policy, addresses] = ['', '', '']
  const text = [
    grant.permissions,
    start,
    fields.expiry,
    fields.name,
    policy,
    addresses,
    fields.protocol,
    SAS_VERSION,
    fields.resource,
    ...UNUSED,
  ].join('\n')
  return query(grant, fields, {}, hmac(accountKey, text))
}

/** Signed with a key that Azure delegated: it opens what the principal may, and ends with that key. */
export function userDelegationSas(grant: SasGrant, key: UserDelegationKey): string {
  const fields = fieldsOf(grant)
  const delegated = {
    skoid: key.signedObjectId,
    sktid: key.signedTenantId,
    skt: moment(key.signedStartsOn),
    ske: moment(key.signedExpiresOn),
    sks: key.signedService,
    skv: key.signedVersion,
  }
  const [start, authorizedAgent, unauthorizedAgent, addresses] = ['', '', '', '']
  const { correlationId = '' } = grant
  const text = [
    grant.permissions,
    start,
    fields.expiry,
    fields.name,
    ...Object.values(delegated),
    authorizedAgent,
    unauthorizedAgent,
    correlationId,
    addresses,
    fields.protocol,
    SAS_VERSION,
    fields.resource,
    ...UNUSED,
  ].join('\n')
  const correlation: Record<string, string> = correlationId === '' ? {} : { scid: correlationId }
  return query(grant, fields, { ...delegated, ...correlation }, hmac(key.value, text))
}
