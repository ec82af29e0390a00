/**
 * Accounts of the clouds themselves, for the same tests as on the emulators. The environment names them: a variable holds the
 * `storage_config` of a warehouse, in JSON. Each test works below a prefix of its own, and removes what it left there.
 */
import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { openObjectStore, rootLocation } from '../../src/storage/open.ts'
import type { Opened } from './suite/object-store.ts'

export const accountKinds = [
  ['S3', 'PANGOLIN_TEST_S3'],
  ['Azure', 'PANGOLIN_TEST_AZURE'],
  ['Google Cloud Storage', 'PANGOLIN_TEST_GCS'],
] as const

/** The reason to leave out what needs the account, or `false`. */
export const skipsAccount = (variable: string): string | false => !process.env[variable] && `${variable} names no account`

export async function openRealAccount(
  test: TestContext,
  variable: string,
): Promise<Opened & { readonly storageConfig: Record<string, string> }> {
  const account = JSON.parse(process.env[variable] ?? '') as Record<string, string>
  const own = [account['prefix'] ?? '', `pangolin-test-${randomUUID()}`].filter((part) => part !== '').join('/')
  const storageConfig = { ...account, prefix: own }
  const root = rootLocation({ storageConfig })
  test.after(async () => {
    // From above, so that the folder itself can go where there are such.
    const store = openObjectStore({ storageConfig: account })
    const left = []
    for await (const { location } of store.list(`${root}/`)) left.push(location)
    await store.delete(left)
    await store.delete([`${root}/`])
    await store.close()
  })
  return { store: openObjectStore({ storageConfig }), root, storageConfig }
}
