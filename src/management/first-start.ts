/**
 * What the first start makes: an administrator, a local warehouse and the catalog `lake`. The row of the tenant is written
 * last: while it is missing every step is taken again and finds what an interrupted start left. The credentials are in
 * their file before they are in the store, so there is never an administrator whose password is unknown.
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
import type { Principal } from '../access/principal.ts'
import { createPrivateFile } from '../access/secrets.ts'
import { IcebergError } from '../iceberg/errors.ts'
import { StoreError } from '../stores/store.ts'
import { createCatalog, FIRST_CATALOG } from './catalogs.ts'
import type { ManagementContext } from './context.ts'
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

/** True when this start was the first, or finished one that was interrupted. */
export async function firstStart(context: ManagementContext, options: FirstStartOptions): Promise<boolean> {
  const { store, now } = context.catalog
  if ((await store.get('tenants', { id: DEFAULT_TENANT })) !== undefined) return false
  const principal = await ensureAdministrator(context, options)
  await unlessThere(
    createWarehouse(
      context,
      { principal },
      {
        name: WAREHOUSE,
        storage_config: { type: 'local', path: join(options.dataDirectory, 'warehouse') },
      },
    ),
  )
  await unlessThere(createCatalog(context, { principal }, { name: FIRST_CATALOG, warehouse_name: WAREHOUSE }))
  const tenant = { id: DEFAULT_TENANT, name: 'default', properties: {}, created_at: now() }
  await unlessThere(store.write([{ op: 'insert', entity: 'tenants', row: tenant }]))
  return true
}

async function unlessThere(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    const there =
      error instanceof StoreError
        ? error.kind === 'conflict'
        : error instanceof IcebergError && error.type === 'AlreadyExistsException'
    if (!there) throw error
  })
}

async function findAdministrator(context: ManagementContext): Promise<Principal | undefined> {
  const where = { tenant_id: DEFAULT_TENANT }
  const users = await context.catalog.store.list('users', { index: 'by_tenant', where, limit: 100 })
  const user = users.find((row) => row.role === 'tenant-admin')
  return user === undefined ? undefined : { id: user.id, name: user.username, tenantId: DEFAULT_TENANT, role: 'tenant-admin' }
}

async function ensureAdministrator(context: ManagementContext, options: FirstStartOptions): Promise<Principal> {
  const there = await findAdministrator(context)
  if (there !== undefined) return there
  const { admin, isNew } = writeOnce(options)
  const token = parseApiToken(admin.token)
  if (token === undefined)
    throw new FirstStartError(`${ADMIN_FILE} has a token that is none; remove the file to have it made anew`)
  const { store, uuid, now } = context.catalog
  const id = uuid()
  const times = { created_at: now(), updated_at: now() }
  const user = {
    id,
    tenant_id: DEFAULT_TENANT,
    username: admin.username,
    email: null,
    password_hash: await hashPassword(admin.password),
    role: 'tenant-admin',
    active: true,
    ...times,
  }
  const tokenRow = {
    id: token.id,
    tenant_id: DEFAULT_TENANT,
    user_id: id,
    secret_hash: hashSecret(token.secret),
    description: 'first start',
    created_at: now(),
    expires_at: null,
    bounds: null,
  }
  await unlessThere(
    store.write([
      { op: 'insert', entity: 'users', row: user },
      { op: 'insert', entity: 'tokens', row: tokenRow },
    ]),
  )
  // Another server was first, with a data folder of its own: no server would accept the token in this file.
  if (isNew && (await accountOf(store, 'tokens', DEFAULT_TENANT, token.id)) === undefined)
    rmSync(join(options.dataDirectory, ADMIN_FILE))
  const made = await findAdministrator(context)
  if (made === undefined) throw new FirstStartError(`the name ${JSON.stringify(admin.username)} belongs to somebody else`)
  return made
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
  const { store, log } = context.catalog
  const administrator = await findAdministrator(context)
  const user = administrator && (await accountOf(store, 'users', DEFAULT_TENANT, administrator.id))
  if (user === undefined || (await passwordMatches(user.password_hash, adminPassword))) return
  const message = `it is for the first start alone, and ${user.username} has another password; change it with "pangolin admin reset-password --password-stdin"`
  log('setting-without-effect', { level: 'warn', setting: 'PANGOLIN_ADMIN_PASSWORD', message })
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
