/**
 * Which key the secrets of a database are sealed with. The database keeps the key's id, so that a server with another key
 * does not start instead of failing at each warehouse. That is said of the database and of no tenant, so no log has a line of it;
 * `pangolin store rekey` changes it by one compare-and-set when all secrets are sealed anew.
 */
import { SecretError, type SecretBox } from '../access/secrets.ts'
import { pagesOf } from '../stores/pages.ts'
import { StoreError, type Store } from '../stores/store.ts'

const NAME = 'encryption-key'
/** One lost race decides; more can only be another rotation. */
const TRIES = 5

/** The id of the key that the database's secrets are sealed with; undefined until a server has named one. */
export async function keyOfDatabase(store: Store): Promise<string | undefined> {
  const { value } = (await store.get('settings', { name: NAME })) ?? {}
  return typeof value === 'string' ? value : undefined
}

/**
 * Names the key in a database that has none yet, unless secrets are sealed there with another one.
 * @throws SecretError when the key is not the database's, and none of the previous ones is
 */
export async function agreeOnKey(store: Store, box: SecretBox, now: () => number): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const known = await keyOfDatabase(store)
    if (known !== undefined) return assertOpens(box, known)
    for await (const sealed of sealedSecrets(store)) assertOpens(box, keyIdOf(sealed))
    try {
      await store.write([{ op: 'insert', entity: 'settings', row: { name: NAME, value: box.keyId, updated_at: now() } }])
      return
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    }
  }
  throw new SecretError('the key of the database changes without pause')
}

/** Names the box's key in place of the one before, when every secret is sealed with it. */
export async function nameKey(store: Store, box: SecretBox, now: () => number): Promise<void> {
  const row = await store.get('settings', { name: NAME })
  const next = { name: NAME, value: box.keyId, updated_at: now() }
  if (row === undefined) await store.write([{ op: 'insert', entity: 'settings', row: next }])
  else if (row.value !== box.keyId) await store.write([{ op: 'replace', entity: 'settings', row: next, expected: row.version }])
}

function assertOpens(box: SecretBox, id: string): void {
  if (box.opens(id)) return
  throw new SecretError(
    `The secrets in this database are sealed with the encryption key ${id}, and the key given is ${box.keyId}. ` +
      'Give the database’s own key: PANGOLIN_ENCRYPTION_KEY, or the file keys/encryption of the data folder with which the database was made. ' +
      'To change the key, give the new one there and the old one in PANGOLIN_PREVIOUS_ENCRYPTION_KEYS, and run "pangolin store rekey".',
  )
}

/** The id stands in front of a sealed value. */
const keyIdOf = (sealed: string): string => sealed.split('.', 2)[1] ?? ''

async function* sealedSecrets(store: Store): AsyncGenerator<string> {
  for await (const page of pagesOf(store, 'warehouses', { index: 'primary', where: {} }))
    for (const { secrets } of page) if (secrets !== null) yield secrets
}
