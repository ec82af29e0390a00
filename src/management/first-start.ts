/**
 * What the first start makes: an administrator, a local warehouse and the catalog `lake`, each a change with its line in the
 * tenant's log. The row of the tenant is written last: while it is missing every step is taken again and finds what an interrupted
 * start left. The credentials are in their file before they are in the store, so there is never an administrator whose password
 * is unknown.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { accountOf } from '../access/accounts.ts'
import {
  formatApiToken,
  hashSecret,
  newApiToken,
  newPassword,
  parseApiToken,
  secretMatches,
  type ApiToken,
} from '../access/api-tokens.ts'
import { readBounds } from '../access/bounds.ts'
import { hashPassword, passwordMatches } from '../access/passwords.ts'
import { createPrivateFile } from '../access/secrets.ts'
import { IcebergError } from '../iceberg/errors.ts'
import { change } from '../changes/change.ts'
import { tenantLog } from '../changes/context.ts'
import type { Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Mutation } from '../stores/store.ts'
import { createCatalog, FIRST_CATALOG } from './catalogs.ts'
import type { ManagementContext } from './context.ts'
import { logged } from './tokens.ts'
import { operatorIn } from './users.ts'
import { createWarehouse } from './warehouses.ts'

export const DEFAULT_TENANT = '00000000-0000-0000-0000-000000000000'
export const ADMIN_FILE = 'admin.json'
const WAREHOUSE = 'local'

/** Its message is for the person who starts the server. */
export class FirstStartError extends Error {}

export interface FirstStartOptions {
  readonly dataDirectory: string
  readonly adminUser: string
  readonly adminPassword: string | undefined
}

interface AdminFile {
  readonly username: string
  readonly password: string
  readonly token: string
}

/** The person who starts the server: what a first start makes is theirs in the log. */
const OPERATOR = operatorIn(DEFAULT_TENANT)

/** True when this start was the first, or finished one that was interrupted. */
export async function firstStart(context: ManagementContext, options: FirstStartOptions): Promise<boolean> {
  if ((await context.catalog.store.get('tenants', { id: DEFAULT_TENANT })) !== undefined) return false
  await ensureAdministrator(context, options)
  const warehouse = { name: WAREHOUSE, storage_config: { type: 'local', path: join(options.dataDirectory, 'warehouse') } }
  await unlessThere(createWarehouse(context, OPERATOR, warehouse))
  await unlessThere(createCatalog(context, OPERATOR, { name: FIRST_CATALOG, warehouse_name: WAREHOUSE }))
  await ensureTenant(context)
  return true
}

async function unlessThere(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof IcebergError && error.type === 'AlreadyExistsException')) throw error
  })
}

/** What an attempt that made something answers, and one that found it made. */
const DONE = { status: 200, outcome: null, answer: () => undefined } as const

function ensureTenant({ catalog }: ManagementContext): Promise<void> {
  return change<void>(catalog, OPERATOR, {
    what: 'the default tenant',
    log: tenantLog(DEFAULT_TENANT),
    attempt: async () => {
      if ((await catalog.store.get('tenants', { id: DEFAULT_TENANT })) !== undefined) return DONE
      const row = { id: DEFAULT_TENANT, name: 'default', properties: {}, created_at: catalog.now() }
      const { created_at: _, ...after } = row
      return {
        ...DONE,
        message: 'Create tenant default',
        operations: [{ operation: 'create-tenant', before: null, after }],
        steps: [{ op: 'insert', entity: 'tenants', row }],
      }
    },
    replay: DONE.answer,
  })
}

async function findAdministrator({ catalog }: ManagementContext): Promise<Row<'users'> | undefined> {
  const where = { tenant_id: DEFAULT_TENANT }
  for await (const page of pagesOf(catalog.store, 'users', { index: 'by_tenant', where })) {
    const user = page.find((row) => row.role === 'tenant-admin')
    if (user !== undefined) return user
  }
  return undefined
}

async function ensureAdministrator(context: ManagementContext, options: FirstStartOptions): Promise<void> {
  let made: { readonly token: ApiToken; readonly name: string } | undefined
  // Another server was first, with a data folder of its own: no server would accept the token in this file.
  const removeIdleFile = async (): Promise<void> => {
    const row = made && (await accountOf(context.catalog.store, 'tokens', DEFAULT_TENANT, made.token.id))
    if (made !== undefined && row === undefined) rmSync(join(options.dataDirectory, ADMIN_FILE), { force: true })
  }
  await change<void>(context.catalog, OPERATOR, {
    what: 'the administrator',
    log: tenantLog(DEFAULT_TENANT),
    attempt: async () => {
      if ((await findAdministrator(context)) !== undefined) return DONE
      const { admin, isNew } = writeOnce(options)
      const token = parseApiToken(admin.token)
      if (token === undefined)
        throw new FirstStartError(`${ADMIN_FILE} has a token that is none; remove the file to have it made anew`)
      if (isNew) made = { token, name: admin.username }
      return { ...DONE, ...(await creationOf(context, admin, token)) }
    },
    lost: async () => {
      if ((await findAdministrator(context)) !== undefined) return
      await removeIdleFile()
      throw new FirstStartError(`the name ${JSON.stringify(made?.name ?? options.adminUser)} belongs to another user`)
    },
    replay: DONE.answer,
  })
  await removeIdleFile()
}

/** The administrator with the token, in one batch: neither is of use without the other. */
async function creationOf({ catalog }: ManagementContext, { username, password }: AdminFile, token: ApiToken) {
  const { uuid, now } = catalog
  const seen = { id: uuid(), tenant_id: DEFAULT_TENANT, username, email: null, role: 'tenant-admin', active: true }
  const user = { ...seen, password_hash: await hashPassword(password), created_at: now(), updated_at: now() }
  const row = {
    id: token.id,
    tenant_id: DEFAULT_TENANT,
    user_id: user.id,
    secret_hash: hashSecret(token.secret),
    description: 'first start',
    created_at: now(),
    expires_at: null,
    bounds: null,
  }
  const steps: readonly Mutation[] = [
    { op: 'insert', entity: 'users', row: user },
    { op: 'insert', entity: 'tokens', row },
  ]
  const operations = [
    { operation: 'create-user', before: null, after: seen },
    { operation: 'create-token', before: null, after: logged(row, { name: username }, now()) },
  ]
  return { message: `Create user ${username}`, operations, steps }
}

/** The file's credentials, made where there is no file. Whole or not there at all, and the same for all who start at once. */
function writeOnce(options: FirstStartOptions): { readonly admin: AdminFile; readonly isNew: boolean } {
  const file = join(options.dataDirectory, ADMIN_FILE)
  const known = read(file)
  if (known !== undefined) return { admin: known, isNew: false }
  const admin: AdminFile = {
    username: options.adminUser,
    password: options.adminPassword ?? newPassword(),
    token: formatApiToken(newApiToken()),
  }
  createPrivateFile(file, `${JSON.stringify(admin, null, 2)}\n`)
  const made = read(file)
  if (made === undefined) throw new FirstStartError(`${file} vanished while it was made`)
  return { admin: made, isNew: made.token === admin.token }
}

/** Whether the file's token is one of this database: another server may have made the administrator, or the file been copied. */
export async function isAdminFileValid({ catalog: { store } }: ManagementContext, dataDirectory: string): Promise<boolean> {
  const token = tokenIn(join(dataDirectory, ADMIN_FILE))
  const row = token && (await accountOf(store, 'tokens', DEFAULT_TENANT, token.id))
  return row !== undefined && secretMatches(token!.secret, row.secret_hash, readBounds(row.bounds))
}

function tokenIn(file: string): ApiToken | undefined {
  try {
    return parseApiToken(read(file)?.token ?? '')
  } catch (error) {
    if (error instanceof FirstStartError) return undefined
    throw error
  }
}

/** Says that settings of the first start do nothing any more, where they differ from what there is. */
export async function tellIdleSettings(context: ManagementContext, { adminPassword }: FirstStartOptions): Promise<void> {
  if (adminPassword === undefined) return
  const user = await findAdministrator(context)
  if (user === undefined || (await passwordMatches(user.password_hash, adminPassword))) return
  const message = `it is for the first start alone, and ${user.username} has another password; change it with "pangolin admin reset-password --password-stdin"`
  context.catalog.log('setting-without-effect', { level: 'warn', setting: 'PANGOLIN_ADMIN_PASSWORD', message })
}

function read(file: string): AdminFile | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let admin: AdminFile
  try {
    admin = JSON.parse(text) as AdminFile
  } catch {
    throw new FirstStartError(`${file} is no JSON; remove it to have it made anew`)
  }
  const complete = [admin?.username, admin?.password, admin?.token].every((value) => typeof value === 'string' && value !== '')
  if (!complete) throw new FirstStartError(`${file} lacks username, password or token; remove it to have it made anew`)
  return admin
}
