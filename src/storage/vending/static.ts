/**
 * The warehouse's own keys, handed out as they are: for stores without a way to make narrower ones, and only where the
 * warehouse says so. They open everything that the warehouse can, and never end.
 */
import type { CredentialVendor } from './vending.ts'

export function staticVendor(config: Readonly<Record<string, string>>): CredentialVendor {
  return {
    lifetime: { seconds: 3600, leastSeconds: 0 },
    vend: async ({ prefixes }) => ({
      credentials: prefixes.slice(0, 1).map((prefix) => ({ prefix, config })),
      expiresAtMs: undefined,
    }),
    close: async () => {},
  }
}
