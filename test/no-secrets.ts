/** What every test that starts a server asks of the server's log when it is done. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Whatever a test did: what the server logged holds no credential, of the database neither, and no key of its data folder. */
export function assertNoSecrets(log: string, dataDirectory: string, databaseUrl = ''): void {
  const { password, token } = JSON.parse(readFileSync(join(dataDirectory, 'admin.json'), 'utf8')) as Record<string, string>
  const folder = join(dataDirectory, 'keys')
  const keys = existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').trim()) : []
  const database = /^\w+:\/\/[^:@/]*:([^@/]+)@/.exec(databaseUrl)?.slice(1) ?? []
  for (const secret of [password!, token!, token!.split('_').at(-1)!, ...keys, ...database]) {
    assert.ok(!log.includes(secret), `the log holds a secret:\n${log.replaceAll(secret, '<the secret>')}`)
  }
  assert.doesNotMatch(log, /eyJ[\w-]+\.eyJ[\w-]+\./, 'the log holds a session token')
}
