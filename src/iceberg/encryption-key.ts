/** Keys of table encryption, as the catalog keeps them: encrypted, never opened here. */
import Type, { type Static } from 'typebox'
import { StringMap } from './document.ts'

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
