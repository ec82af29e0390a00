/**
 * `pangolin admin …`: for an operator on the machine of the database who can't sign in any more. Results go to standard output,
 * problems to standard error. Exit codes: 0 done, 1 refused or failed, 2 not understood.
 */
import { readFileSync } from 'node:fs'
import { SecretError } from '../access/secrets.ts'
import { runTool, UsageError, type CommandLine, type Grammar, type Terminal } from './arguments.ts'
import { connectionSettings, loadSettings, SettingsError } from '../config.ts'
import { IcebergError } from '../iceberg/errors.ts'
import { DEFAULT_TENANT } from '../management/first-start.ts'
import { createTokenFor, findUser, resetPassword } from '../management/users.ts'
import { openStore } from '../stores/open.ts'
import { StoreError } from '../stores/store.ts'
import type { Store } from '../stores/store.ts'

const USAGE = `Usage:
  pangolin admin reset-password [--user NAME] [--password-stdin]
      gives a user a new password: a made-up one that is printed, or the first line of standard input
  pangolin admin create-token [--user NAME] [--description TEXT] [--expires-in-hours N]
      makes a long-lived token with all rights of the user, and prints it; it lasts 24 hours unless it says otherwise

Both work on the database of the settings (DATABASE_URL, PANGOLIN_DATA), with servers running or stopped. Without --user they
are about the only user. Logins with the old password end within a second; long-lived tokens stay.
`

const OPTIONS = {
  user: { type: 'string' },
  'password-stdin': { type: 'boolean' },
  description: { type: 'string' },
  'expires-in-hours': { type: 'string' },
} as const

const GRAMMAR: Grammar<typeof OPTIONS> = {
  group: 'admin',
  options: OPTIONS,
  common: [],
  commands: {
    'reset-password': { options: ['user', 'password-stdin'] },
    'create-token': { options: ['user', 'description', 'expires-in-hours'] },
  },
}
const HOUR_MS = 3_600_000
const DEFAULT_HOURS = 24
const MAX_HOURS = 366 * 24

export interface AdminCommandParts extends Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin?: () => string
}

function endOf(hours: string | undefined, now: number): number {
  const count = hours === undefined ? DEFAULT_HOURS : Number(hours)
  if (count > 0 && count <= MAX_HOURS) return now + Math.ceil(count * HOUR_MS)
  throw new UsageError(`--expires-in-hours must be more than 0 and at most ${MAX_HOURS}`)
}

async function withStore<T>({ environment }: AdminCommandParts, use: (store: Store) => Promise<T>): Promise<T> {
  const settings = loadSettings(environment)
  if (settings.databaseUrl === 'memory:')
    throw new SettingsError('A memory: database is gone with its server; nothing else can reach it')
  const store = openStore(settings.databaseUrl, connectionSettings(settings))
  try {
    await store.migrate()
    return await use(store)
  } finally {
    await store.close()
  }
}

async function run(command: CommandLine<typeof OPTIONS>, parts: AdminCommandParts): Promise<string> {
  const { name, values } = command
  const now = Date.now()
  if (name === 'create-token') {
    const expiresAt = endOf(values['expires-in-hours'], now)
    const description = (values.description ?? 'made by pangolin admin create-token').slice(0, 255)
    return withStore(parts, async (store) => {
      const user = await findUser(store, DEFAULT_TENANT, values.user)
      return `${await createTokenFor(store, user, { description, expiresAt, now })}\n`
    })
  }
  const stdin = parts.stdin ?? (() => readFileSync(0, 'utf8'))
  const given = values['password-stdin'] === true ? (stdin().split(/\r?\n/, 1)[0] ?? '') : undefined
  return withStore(parts, async (store) => {
    const user = await findUser(store, DEFAULT_TENANT, values.user)
    const password = await resetPassword(store, user, given)
    return given === undefined ? `${password}\n` : `The password of ${user.username} is changed\n`
  })
}

const KNOWN = [IcebergError, SettingsError, StoreError, SecretError, TypeError]

/** Resolves to the exit code. */
export const adminCommand = (args: readonly string[], parts: AdminCommandParts): Promise<number> =>
  runTool(args, parts, {
    grammar: GRAMMAR,
    usage: USAGE,
    known: KNOWN,
    run: async (command, { out }) => {
      out(await run(command, parts))
      return 0
    },
  })
