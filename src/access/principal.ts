/** Who is calling, as the credential proved it. Nothing in here ever comes from another header or from a body. */
import type { Bounds } from './bounds.ts'

export interface Principal {
  /** User id. */
  readonly id: string
  readonly name: string
  /** The one tenant whose rows the principal can reach. */
  readonly tenantId: string
  readonly role: 'tenant-admin'
  /** When the token that was shown ends, in milliseconds since 1970; absent where it does not. */
  readonly expiresAtMs?: number | undefined
  /** What the token behind the credential is narrowed to. Absent: all that the role may do. */
  readonly bounds?: Bounds | undefined
  /** The long-lived token behind the credential, where there is one. */
  readonly tokenId?: string | undefined
}
