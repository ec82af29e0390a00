/**
 * Changes of a catalog: its properties, its place, its name. All that belongs to a catalog stands under its id, so a new name is
 * its row under another key: nothing moves. What names a catalog beside that are narrowed tokens, which go along with it.
 */
import type Type from 'typebox'
import { tokensOf } from '../access/accounts.ts'
import { withRenamedCatalog } from '../access/bounds.ts'
import type { Principal } from '../access/principal.ts'
import { decode } from '../catalog/shapes.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { alreadyExists, badRequest, IcebergError } from '../iceberg/errors.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Mutation } from '../stores/store.ts'
import { placeOf } from './catalog-place.ts'
import {
  catalogOf,
  outcomeOf,
  refuseInUse,
  rowOf,
  shown,
  UPDATE_FIELDS,
  UpdateCatalogRequest,
  within,
  type Catalog,
} from './catalogs.ts'
import type { ManagementContext } from './context.ts'
import { checkFields, checkName } from './input.ts'
import { lockTokenNames } from './places-lock.ts'

/** In one batch. */
const MOST_TOKENS = 500

export async function updateCatalog(context: ManagementContext, call: ChangeCall, name: string, json: unknown): Promise<Catalog> {
  checkFields(json, UPDATE_FIELDS)
  const request = decode(UpdateCatalogRequest, json)
  const { catalog_type: sentType } = request
  const to = request.name ?? name
  if (to !== name) checkName('Catalog', to)
  const { principal } = call
  return change(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await rowOf(context, principal, name)
      if (sentType != null && sentType !== row.catalog_type) throw badRequest(`catalog_type of ${name} can't be changed`)
      const { location, warehouse, steps, isMoved } = await movedTo(context, principal, row, request)
      const { version, ...rest } = row
      const changed: NewRow<'catalogs'> = {
        ...rest,
        name: to,
        warehouse_name: warehouse,
        storage_location: location,
        properties: (request.properties ?? row.properties) as Json,
        updated_at: context.catalog.now(),
      }
      const renamed = to === name ? undefined : await renaming(context, row, to)
      const states = { before: outcomeOf(shown(row)), after: outcomeOf(shown(changed)) }
      return {
        message: renamed === undefined ? `Update catalog ${name}` : `Rename catalog ${name} to ${to}`,
        operations:
          renamed === undefined
            ? [{ operation: 'update-catalog', ...states }]
            : [{ operation: 'rename-catalog', ...states, tokens: renamed.tokens }],
        // What is created in it meanwhile requires the row that is replaced here, so that the emptiness behind it lasts.
        steps: [
          ...steps,
          ...(renamed === undefined
            ? [{ op: 'replace', entity: 'catalogs', row: changed, expected: version } as const]
            : [...renamed.steps, { op: 'insert', entity: 'catalogs', row: changed } as const]),
          ...(isMoved ? [isEmpty(row)] : []),
        ],
        status: 200,
        outcome: outcomeOf(shown(changed)),
        answer: () => {
          context.handles.forget(principal.tenantId)
          return shown(changed)
        },
      }
    },
    replay: catalogOf,
  })
}

interface Renaming {
  /** Ids of the narrowed tokens that go along. */
  readonly tokens: readonly string[]
  /** All but the row under its new name. */
  readonly steps: readonly Mutation[]
}

/** @throws IcebergError 409 */
async function renaming(context: ManagementContext, row: Row<'catalogs'>, to: string): Promise<Renaming> {
  const { store, now } = context.catalog
  const { tenant_id, name, version: expected } = row
  if ((await store.get('catalogs', { tenant_id, name: to })) !== undefined) throw alreadyExists('Catalog', to)
  const lock = await lockTokenNames(store, tenant_id, now)
  const tokens = await tokensAlong(context, row, to)
  const steps: Mutation[] = [lock, { op: 'remove', entity: 'catalogs', key: { tenant_id, name }, expected }]
  return { tokens: tokens.map(({ row: { id } }) => id), steps: [...steps, ...tokens] }
}

/**
 * Narrowed tokens name the catalog, and mean this one: they keep to it under its new name, and say nothing of a catalog that
 * gets the old one.
 */
async function tokensAlong({ catalog: { store } }: ManagementContext, { tenant_id, name }: Row<'catalogs'>, to: string) {
  const steps: {
    readonly op: 'replace'
    readonly entity: 'tokens'
    readonly row: NewRow<'tokens'>
    readonly expected: number
  }[] = []
  for await (const users of pagesOf(store, 'users', { index: 'by_tenant', where: { tenant_id } })) {
    for (const { id: user_id } of users) {
      for await (const tokens of tokensOf(store, tenant_id, user_id)) {
        for (const { version: expected, ...token } of tokens) {
          const bounds = withRenamedCatalog(token.bounds, name, to)
          if (bounds !== undefined) steps.push({ op: 'replace', entity: 'tokens', row: { ...token, bounds }, expected })
        }
      }
      if (steps.length > MOST_TOKENS) throw tooManyTokens(name)
    }
  }
  return steps
}

const tooManyTokens = (name: string): IcebergError =>
  new IcebergError(
    'ConflictException',
    `More than ${MOST_TOKENS} tokens are narrowed to catalog ${name}: revoke some, and rename it then`,
  )

interface Move {
  readonly location: string | null
  readonly warehouse: string | null
  readonly steps: readonly Mutation[]
  /** To another warehouse. */
  readonly isMoved: boolean
}

/** Where the catalog lies after an update. */
async function movedTo(
  context: ManagementContext,
  principal: Principal,
  row: Row<'catalogs'>,
  request: Pick<Type.Static<typeof UpdateCatalogRequest>, 'warehouse_name' | 'storage_location'>,
): Promise<Move> {
  const warehouse = request.warehouse_name ?? row.warehouse_name
  const isMoved = warehouse !== row.warehouse_name
  if (warehouse === null) return { location: row.storage_location, warehouse, steps: [], isMoved }
  if (isMoved) await refuseInUse(context, row, 'move it to another warehouse')
  const wanted = request.storage_location ?? (isMoved ? undefined : row.storage_location)
  const { id, name } = row
  return { ...(await placeOf(context, principal, { id, name, warehouse, location: wanted })), warehouse, isMoved }
}

const isEmpty = (row: Row<'catalogs'>): Mutation => ({
  op: 'requireEmpty',
  entity: 'entries',
  index: 'primary',
  where: within(row),
})
