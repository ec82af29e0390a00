/** Who is calling, as the credential proved it. Nothing in here ever comes from another header or from a body. */
export interface Principal {
  /** User id. */
  readonly id: string
  readonly name: string
  /** The one tenant whose rows the principal can reach. */
  readonly tenantId: string
  readonly role: 'tenant-admin'
  /** When the token that was shown ends, in milliseconds since 1970; absent where it does not. */
  readonly expiresAtMs?: number | undefined
}
