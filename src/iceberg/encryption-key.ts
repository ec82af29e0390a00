/** Keys of table encryption, as the catalog keeps them: encrypted, never opened here. */
import Type, { type Static } from 'typebox'
import { short, StringMap } from './document.ts'
import { validationFailed } from './errors.ts'

export const EncryptedKeyShape = Type.Object({
  'key-id': Type.String({ minLength: 1 }),
  /** Base64. */
  'encrypted-key-metadata': Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }),
  'encrypted-by-id': Type.Optional(Type.String()),
  properties: Type.Optional(StringMap),
})

export interface EncryptedKey extends Readonly<Static<typeof EncryptedKeyShape>> {
  readonly [unknownField: string]: unknown
}

/** Whole units of four signs; the last may lack its padding, as Java reads it. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/

/** Throws for a key that readers of the table would stumble over. */
export function checkEncryptedKey(key: EncryptedKey): void {
  if (BASE64.test(key['encrypted-key-metadata'])) return
  throw validationFailed(`Invalid encryption key ${short(key['key-id'])}: encrypted-key-metadata must be Base64`)
}
