/** What one kind of storage declares. Adding a kind is one file that exports a `StorageKind`, and its line in `open.ts`. */
import type { Location, Scheme } from '../iceberg/location.ts'
import type { Fault } from './probe/fault.ts'
import type { ObjectStore } from './storage.ts'
import type { CredentialVendor, RefreshKeys, RequestSigner } from './vending/vending.ts'

export interface SettingKey {
  /** Other spellings of the key in a warehouse's `storage_config`. */
  readonly aliases: readonly string[]
  /** Kept sealed, never returned. */
  readonly secret?: boolean
  readonly required?: boolean
  /** Text of several lines, such as a key file. */
  readonly multiline?: boolean
}

/** Keys that belong together. What of them a change does not mention stays, or goes, together. */
export interface Credential {
  /** Its id and secret first, or the secret alone. */
  readonly keys: readonly string[]
  /** Where the secret is sent to, and as whom: a change of these needs the secret again. */
  readonly boundTo?: readonly string[]
}

/** Settings under the declared names of their keys. */
export type Settings = Readonly<Record<string, string>>

/** What the server's operator grants to warehouses. */
export interface ServerOptions {
  /** Folders below which (or at which) local warehouses may lie; anywhere when absent. */
  readonly localRoots?: readonly string[]
  /** Holds the identity that warehouses may show to token services. */
  readonly webIdentityTokenFile?: string | undefined
}

export interface StrategyField {
  /** The name under which the functions below get the field. */
  readonly setting: string
  /** Kept sealed, never returned. */
  readonly secret?: boolean
}

/** One way to make credentials for clients, as a user names it: `{"AwsSts": {"role_arn": "..."}}`. */
export interface VendingStrategyDeclaration {
  readonly fields: { readonly [field: string]: StrategyField }
  /** Hands out the warehouse's own long-lived keys, so that a client that may read one table holds keys for all of them. */
  readonly isStatic?: boolean
  /** Its fields are a credential that the server uses too, where the settings have none. */
  readonly isCredential?: boolean
  /** Its credentials open more than a table, and `warning` says so. */
  readonly isUnbounded?: (strategy: Settings) => boolean
  /** What of the fields a person should know, though it is allowed. */
  readonly warning?: (strategy: Settings) => string | undefined
  /** Checks the fields, and what of the warehouse's settings they need. @throws IcebergError 400 */
  readonly validate?: (settings: Settings, strategy: Settings, options: ServerOptions) => void
  /** Costs nothing until the first request. Absent, or nothing, where clients get no credentials. */
  readonly vendor?: (settings: Settings, strategy: Settings, options: ServerOptions) => CredentialVendor | undefined
  /** The same for clients that rather have each request signed. */
  readonly signer?: (settings: Settings, strategy: Settings) => RequestSigner | undefined
}

/** A warehouse's strategy, its fields under the settings that they stand for. */
export interface ChosenStrategy {
  readonly variant: string | undefined
  readonly settings: Settings
}

export interface StorageKind {
  readonly name: string
  /** Accepted values of `type` in a `storage_config`. */
  readonly types: readonly string[]
  readonly schemes: readonly Scheme[]
  readonly keys: { readonly [key: string]: SettingKey }
  readonly credentials?: readonly Credential[]
  /** The vending strategies that may stand beside this kind, by name. */
  readonly strategies: { readonly [variant: string]: VendingStrategyDeclaration }
  /** The strategy that a service of this kind may well carry out, though the user named none. */
  readonly defaultStrategy?: (settings: Settings) => { readonly [variant: string]: Settings } | undefined
  readonly refreshKeys?: RefreshKeys
  /** Checks what single keys can't show. @throws IcebergError 400 */
  readonly validate?: (settings: Settings) => void
  readonly rootLocation: (settings: Settings) => Location
  /** What clients of a table are told, and no secret. */
  readonly clientConfig: (settings: Settings) => Settings
  /** Costs nothing until the first request. */
  readonly open: (settings: Settings) => ObjectStore
  /** As a client that has only what was vended to it: to prove that this opens what it should. Nothing where it has no key. */
  readonly openVended?: (settings: Settings, config: Settings) => ObjectStore | undefined
  /** As a client without a key, whose requests the server signs, or nobody does: to prove what each of them can do. */
  readonly openSigned?: (settings: Settings, signer: RequestSigner | 'nobody') => ObjectStore
  /** What to do about a fault that a test of the warehouse met: exactly that, in a sentence. */
  readonly advise: (fault: Fault, settings: Settings, strategy: ChosenStrategy) => string | undefined
}
