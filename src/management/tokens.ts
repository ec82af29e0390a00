/**
 * Long-lived tokens: made, listed, replaced and revoked by the user whose they are. A token is shown once. One may be
 * narrowed when it is made, and stays so. A narrowed one makes no others: they would outlive its
 * revocation.
 */
import Type from 'typebox'
import { accountOf, tokensOf } from '../access/accounts.ts'
import { formatApiToken, hashSecret, newApiToken } from '../access/api-tokens.ts'
import {
  AccessShape,
  boundsJson,
  createBounds,
  named,
  readBounds,
  WithinShape,
  type Bounds,
  type NamedBound,
} from '../access/bounds.ts'
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import type { SecretJson } from '../access/secrets.ts'
import { decode } from '../catalog/shapes.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall, type Idempotency } from '../changes/context.ts'
import { badRequest, forbidden, IcebergError } from '../iceberg/errors.ts'
import { RawNumber } from '../iceberg/json.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { ManagementContext } from './context.ts'
import { resolvedBounds } from './token-bounds.ts'
import { cutOut, listed, mapped, type Listed } from '../stores/pages.ts'
import { checkFields, checkName, type Paging } from './input.ts'
import { lockTokenNames } from './places-lock.ts'

const HOUR_MS = 3_600_000
const DEFAULT_HOURS = 24
const MAX_HOURS = 366 * 24
/** How long a token that is over is still listed. */
const KEPT_MS = 30 * 24 * HOUR_MS
const FORGOTTEN_AT_ONCE = 100
/** What the contract and its SDK call the only role that there is. */
const OWN_ROLE = new Set(['tenant-admin', 'TenantAdmin', 'Admin', 'admin'])

const optionalText = Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()]))
const MintRequest = Type.Object({
  tenant_id: optionalText,
  username: optionalText,
  roles: Type.Optional(Type.Union([Type.Array(Type.String(), { maxItems: 10 }), Type.Null()])),
  expires_in_hours: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  description: optionalText,
  // Not null: bounds that got lost on a client's way must not make a token that has none.
  access: Type.Optional(AccessShape),
  within: Type.Optional(WithinShape),
})
const FIELDS = Object.keys(MintRequest.properties)
const RotateRequest = Type.Object({ token_id: optionalText })

/** What is shown of a token, again and again. `access` and `within` are null where it is not narrowed. */
export interface ShownToken {
  readonly id: string
  readonly tenant_id: string | null
  readonly user_id: string
  readonly username: string
  readonly description: string | null
  readonly created_at: string
  readonly expires_at: string | null
  readonly is_valid: boolean
  readonly access: Bounds['access'] | null
  readonly within: readonly NamedBound[] | null
}

/** With the token itself: the one time that it is shown. */
export type MintedToken = ShownToken & { readonly token: string }

const iso = (ms: number): string => new Date(ms).toISOString()

function shown(row: NewRow<'tokens'>, principal: Pick<Principal, 'name'>, now: number): ShownToken {
  const { id, tenant_id, user_id, description, created_at, expires_at } = row
  const bounds = readBounds(row.bounds)
  return {
    id,
    tenant_id,
    user_id,
    username: principal.name,
    description,
    created_at: iso(created_at),
    expires_at: expires_at === null ? null : iso(expires_at),
    is_valid: expires_at === null || expires_at > now,
    access: bounds?.access ?? null,
    within: bounds?.within?.map(named) ?? null,
  }
}

/** Asked for with `access` or `within`. Where alone, without what, it may read. */
function boundsOf({ access, within }: Pick<Type.Static<typeof MintRequest>, 'access' | 'within'>): Bounds | undefined {
  if (access === undefined && within === undefined) return undefined
  for (const { catalog } of within ?? []) checkName('Catalog', catalog)
  return createBounds(access ?? 'read', within)
}

/** Python spells a whole number of hours 24.0 where it was a fraction once. */
function withPlainHours(json: { readonly expires_in_hours?: unknown }): object {
  const { expires_in_hours: hours } = json
  return hours instanceof RawNumber ? { ...json, expires_in_hours: hours.valueOf() } : json
}

function lifeOf(hours: number): number {
  if (hours > 0 && hours <= MAX_HOURS) return Math.ceil(hours * HOUR_MS)
  throw badRequest(`Invalid expires_in_hours: expected more than 0 and at most ${MAX_HOURS}, got ${hours}`)
}

function refuseOthers(principal: Principal, request: Type.Static<typeof MintRequest>): void {
  const { tenant_id: tenant, username, roles } = request
  if (tenant != null && tenant !== principal.tenantId) throw forbidden('A token is for your own tenant only')
  if (username != null && username !== principal.name) throw forbidden('A token is for yourself only')
  const other = roles?.find((role) => !OWN_ROLE.has(role))
  if (other === undefined) return
  throw badRequest(`roles must be ["tenant-admin"] or absent; narrow a token with access and within instead`)
}

/** A job that makes a token for each run makes room for the next one, too: what was over long ago leaves the list. */
async function forgetting({ catalog }: ManagementContext, principal: Principal, now: number) {
  const before = now - KEPT_MS
  const { value: oldest = [] } = await tokensOf(catalog.store, principal.tenantId, principal.id, FORGOTTEN_AT_ONCE).next()
  const over = (oldest as readonly Row<'tokens'>[]).filter(({ expires_at: end }) => end !== null && end < before)
  const [were, operation] = [over.length === 1 ? 'was' : 'were', 'forget-token']
  return {
    told: over.length === 0 ? '' : `, and forget ${over.length} that ${were} over`,
    operations: over.map((row) => ({ operation, before: logged(row, principal, now), after: null })),
    steps: over.map(({ id, version }) => ({ op: 'remove', entity: 'tokens', key: { id }, expected: version }) as const),
  }
}

/**
 * A repetition of the request is told the same token, for as long as its key is remembered. Until then the token lies sealed in
 * the record, and not at all where the request had no key.
 */
const sealedFor = ({ secrets }: ManagementContext, { principal, idempotency }: ChangeCall, minted: MintedToken): Json =>
  idempotency === undefined ? null : secrets.seal(minted as unknown as SecretJson, ownerOf(principal, idempotency))

const unsealed = ({ secrets }: ManagementContext, { principal, idempotency }: ChangeCall, outcome: Json): MintedToken =>
  secrets.open(outcome as string, ownerOf(principal, idempotency!)) as unknown as MintedToken

const ownerOf = ({ tenantId, id }: Principal, { key }: Idempotency): string =>
  `idempotency/${tenantId}/${id}/${key.toLowerCase()}`

export async function mintToken(context: ManagementContext, call: ChangeCall, json: unknown): Promise<MintedToken> {
  const { principal } = call
  checkFields(json, FIELDS)
  const request = decode(MintRequest, withPlainHours(json as object))
  if (!isAllowed(principal, 'token.create', { tenantId: principal.tenantId })) throw forbidden('A narrowed token makes no tokens')
  refuseOthers(principal, request)
  const asked = boundsOf(request)
  const life = lifeOf(request.expires_in_hours ?? DEFAULT_HOURS)
  return change(context.catalog, call, {
    what: 'the tokens of one user',
    log: tenantLog(principal.tenantId),
    lanes: asked?.within === undefined ? [] : [`token-names\n${principal.tenantId}`],
    attempt: async () => {
      const token = newApiToken()
      const { now: clock, store } = context.catalog
      const now = clock()
      // A catalog that is renamed at this moment is renamed before, or finds the token.
      const lock = asked?.within === undefined ? [] : [await lockTokenNames(store, principal.tenantId, clock)]
      const bounds = asked && (await resolvedBounds(context, principal.tenantId, asked))
      const row: NewRow<'tokens'> = {
        id: token.id,
        tenant_id: principal.tenantId,
        user_id: principal.id,
        secret_hash: hashSecret(token.secret, bounds),
        description: request.description ?? null,
        created_at: now,
        expires_at: now + life,
        bounds: bounds === undefined ? null : boundsJson(bounds),
      }
      const minted = { ...shown(row, principal, now), token: formatApiToken(token) }
      const old = await forgetting(context, principal, now)
      return {
        message: `Create token ${token.id}${old.told}`,
        operations: [{ operation: 'create-token', before: null, after: logged(row, principal, now) }, ...old.operations],
        steps: [
          { op: 'require', entity: 'users', key: { id: principal.id }, expected: 'any' },
          { op: 'insert', entity: 'tokens', row },
          ...lock,
          ...old.steps,
        ],
        status: 200,
        outcome: sealedFor(context, call, minted),
        answer: () => minted,
      }
    },
    lost: async () => {
      if ((await accountOf(context.catalog.store, 'users', principal.tenantId, principal.id)) !== undefined) return
      throw badRequest('There is no user to make a token for: without authentication none is needed')
    },
    replay: (outcome) => unsealed(context, call, outcome),
  })
}

/** A token as a line of the log has it, and the name of its user. */
export const logged = (row: NewRow<'tokens'>, owner: Pick<Principal, 'name'>, now: number): Json =>
  shown(row, owner, now) as unknown as Json

/** The caller's own, oldest first; for a narrowed token only itself. */
export function listTokens(context: ManagementContext, principal: Principal, paging: Paging): Promise<Listed<ShownToken>> {
  const { store, now } = context.catalog
  const { tenantId } = principal
  const isSeen = ({ id }: Row<'tokens'>): boolean => isAllowed(principal, 'token.see', { tenantId, tokenId: id })
  const seen = mapped(tokensOf(store, tenantId, principal.id), (page) =>
    page.filter(isSeen).map((row) => shown(row, principal, now())),
  )
  return listed(cutOut(seen, paging))
}

/** @throws IcebergError 403 before anything is looked up, 404 for a token that is gone or another user's */
async function ownToken(context: ManagementContext, principal: Principal, id: string): Promise<Row<'tokens'>> {
  const { tenantId } = principal
  if (!isAllowed(principal, 'token.revoke', { tenantId, tokenId: id })) throw forbidden('A narrowed token revokes itself only')
  const row = await accountOf(context.catalog.store, 'tokens', tenantId, id)
  if (row?.user_id !== principal.id) throw noSuchToken(id)
  return row
}

const noSuchToken = (id: string): IcebergError =>
  new IcebergError('NotFoundException', `Token does not exist: ${id.slice(0, 100).toWellFormed()}`)

/** The token behind the credential of the request. */
function currentToken({ tokenId }: Principal): string {
  if (tokenId !== undefined) return tokenId
  throw badRequest('The credential of this request is no long-lived token, nor was it given for one: a login ends by itself')
}

/** Within a second it is refused in every process, and so is what it was exchanged for. */
export async function revokeToken(context: ManagementContext, call: ChangeCall, asked?: string): Promise<void> {
  const { principal } = call
  const id = asked ?? currentToken(principal)
  return change<void>(context.catalog, call, {
    what: `token ${id}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const { version: expected, ...row } = await ownToken(context, principal, id)
      return {
        message: `Revoke token ${id}`,
        operations: [{ operation: 'revoke-token', before: logged(row, principal, context.catalog.now()), after: null }],
        steps: [{ op: 'remove', entity: 'tokens', key: { id }, expected }],
        status: 204,
        outcome: null,
        answer: () => undefined,
      }
    },
    replay: () => undefined,
  })
}

/** A new token in the place of one: the same bounds, and no longer a life. The old one is over. */
export async function rotateToken(context: ManagementContext, call: ChangeCall, json: unknown): Promise<MintedToken> {
  const { principal } = call
  checkFields(json, Object.keys(RotateRequest.properties))
  const { token_id: asked } = decode(RotateRequest, json)
  const id = asked ?? currentToken(principal)
  return change(context.catalog, call, {
    what: `token ${id}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const now = context.catalog.now()
      const { version, ...old } = await ownToken(context, principal, id)
      if (old.expires_at !== null && old.expires_at <= now) throw badRequest(`Token ${id} is over: make another one`)
      const token = newApiToken()
      const secret_hash = hashSecret(token.secret, readBounds(old.bounds))
      const row: NewRow<'tokens'> = { ...old, id: token.id, secret_hash, created_at: now }
      const minted = { ...shown(row, principal, now), token: formatApiToken(token) }
      return {
        message: `Replace token ${id} by ${token.id}`,
        operations: [{ operation: 'rotate-token', before: logged(old, principal, now), after: logged(row, principal, now) }],
        steps: [
          { op: 'remove', entity: 'tokens', key: { id }, expected: version },
          { op: 'insert', entity: 'tokens', row },
        ],
        status: 200,
        outcome: sealedFor(context, call, minted),
        answer: () => minted,
      }
    },
    replay: (outcome) => unsealed(context, call, outcome),
  })
}
