/**
 * The contract of those who make credentials for clients: short-lived ones that open the files of one table and nothing
 * beside them. One file implements one provider; what is vended to whom, and how long it is kept, is the catalog's business.
 */
import type { Location } from '../../iceberg/location.ts'

export interface VendScope {
  /** Canonical, none in another, all in one bucket or container; the first is the table's location. Never empty. */
  readonly prefixes: readonly Location[]
  /** `read` also lists; `read-write` also writes and deletes. */
  readonly access: 'read' | 'read-write'
  /** For the names of sessions and the provider's own log. The text may be hostile. */
  readonly principal: { readonly id: string; readonly name: string; readonly tenantId: string }
  /** Within the vendor's `lifetime`. */
  readonly lifetimeSeconds: number
}

/** For the files below one prefix: what goes into `storage-credentials`, in the words of the clients. */
export interface VendedCredential {
  readonly prefix: Location
  readonly config: Readonly<Record<string, string>>
}

export interface Vended {
  /** The first is for the table's location: clients that know no `storage-credentials` get it as `config`. */
  readonly credentials: readonly VendedCredential[]
  /** Milliseconds since 1970, as the provider says; undefined for credentials that do not expire. */
  readonly expiresAtMs: number | undefined
}

export interface CredentialVendor {
  /** The life of what it vends: what the warehouse wants, and the least that the provider can do. */
  readonly lifetime: { readonly seconds: number; readonly leastSeconds: number }
  /** One request to the provider (or none, where credentials are computed). @throws VendingError, and nothing else */
  vend(scope: VendScope): Promise<Vended>
  close(): Promise<void>
}

/** How clients of a warehouse's tables come to credentials. */
export interface Vending {
  readonly vendor: CredentialVendor
  /** Also clients that did not ask for credentials get them. */
  readonly always: boolean
  readonly refreshKeys: RefreshKeys | undefined
}

/** What clients call the place where they get new credentials, and the switch for that where there is one. */
export interface RefreshKeys {
  readonly endpoint: string
  readonly enabled?: string
}

/** What a client wants to send to the storage, as it says. */
export interface SignRequest {
  readonly method: string
  readonly region: string
  readonly uri: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** Only where it must be looked into. */
  readonly body: string | undefined
}

/** A file, or all that lies in a folder. */
export interface Touched {
  readonly location: Location
  readonly isFolder: boolean
}

export interface SignedRequest {
  /** To be used instead of the one that was sent. */
  readonly uri: string
  /** To be added to those of the request. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** Whether the client may use the signature again for what differs in unsigned headers alone. */
  readonly isRepeatable: boolean
}

/** A request that is understood: a principal that may do this with these places may have it signed. */
export interface UnsignedRequest {
  readonly writes: boolean
  readonly touches: readonly Touched[]
  /** @throws VendingError, and nothing else */
  sign(nowMs: number): Promise<SignedRequest>
}

/** Signs the requests of clients that get no credentials. What is signed for which principal is for the catalog to say. */
export interface RequestSigner {
  /** @throws IcebergError 400 or 403 for what is never signed */
  read(request: SignRequest): UnsignedRequest
  /**
   * How clients are told where to have what they send signed, in the words of each: for the table alone, and, for clients
   * that keep one place for all tables, for whatever table the file is of.
   */
  clientConfig(endpoints: { readonly table: string; readonly anyTable: string }): Readonly<Record<string, string>>
  close(): Promise<void>
}

/**
 * `unavailable`: the provider did not answer in time, or says that it is busy. `refused`: it does not accept the warehouse's
 * settings. `invalid`: the scope has no credential, such as a policy that is too large.
 */
export type VendingErrorKind = 'unavailable' | 'refused' | 'invalid'

/** The message names what was asked and the provider's error code; never a secret, and no text of the provider's. */
export class VendingError extends Error {
  readonly kind: VendingErrorKind
  constructor(kind: VendingErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'VendingError'
    this.kind = kind
  }
}
