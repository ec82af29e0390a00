/** Keys of table encryption, as the catalog keeps them: encrypted, never opened here. */
import type { JsonValue } from './json.ts'

export interface EncryptedKey {
  readonly 'key-id': string
  /** Base64. */
  readonly 'encrypted-key-metadata': string
  readonly 'encrypted-by-id'?: string
  readonly properties?: Readonly<Record<string, string>>
  readonly [unknownField: string]: JsonValue | undefined
}
