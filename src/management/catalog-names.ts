/**
 * What a name may mean that no catalog has. DuckDB writes the URL of its endpoint in lower case, so it may mean the one catalog
 * whose name differs in that alone. The names of a tenant are read at most once in a while, however many unknown names are asked.
 */
import { pagesOf } from '../stores/pages.ts'
import type { NamedObject } from '../access/decide.ts'
import { shared } from '../once.ts'
import type { Store } from '../stores/store.ts'

const FRESH_MS = 1000
/** Reading the names may take this part of the time at most. */
const MOST_OF_THE_TIME = 1 / 50
const MAX_NAMES = 10_000
const MAX_TENANTS = 100

interface Names {
  /** In their order, at most `MAX_NAMES` and what is left of a page. */
  readonly all: readonly NamedObject[]
  /** By their spelling in lower case; undefined where several catalogs share it. */
  readonly byLowerCase: ReadonlyMap<string, string | undefined>
  readonly readAt: number
  readonly tookMs: number
}

export interface CatalogNames {
  /** The name as it is spelled of the catalog whose name in lower case this is. Undefined where there is none, or more than one. */
  spellingOf(tenantId: string, name: string): Promise<string | undefined>
  /** Perhaps not of this moment, and of a tenant with very many catalogs not all. */
  of(tenantId: string): Promise<readonly NamedObject[]>
  forget(tenantId: string): void
}

async function readNames(store: Store, tenantId: string, now: () => number): Promise<Names> {
  const readAt = now()
  const all: NamedObject[] = []
  const byLowerCase = new Map<string, string | undefined>()
  const startedAt = performance.now()
  for await (const page of pagesOf(store, 'catalogs', { index: 'primary', where: { tenant_id: tenantId } })) {
    for (const { name, id } of page) {
      all.push({ name, id })
      const lower = name.toLowerCase()
      byLowerCase.set(lower, byLowerCase.has(lower) ? undefined : name)
    }
    if (all.length >= MAX_NAMES) break
  }
  return { all, byLowerCase, readAt, tookMs: performance.now() - startedAt }
}

export function createCatalogNames(store: Store, now: () => number): CatalogNames {
  const tenants = new Map<string, { readonly read: () => Promise<Names>; names: Names | undefined }>()

  const isFresh = ({ readAt, tookMs }: Names): boolean => Math.abs(now() - readAt) < Math.max(FRESH_MS, tookMs / MOST_OF_THE_TIME)

  const ofTenant = (tenantId: string) => {
    let known = tenants.get(tenantId)
    if (known === undefined) {
      if (tenants.size >= MAX_TENANTS) tenants.delete(tenants.keys().next().value!)
      known = { read: shared(() => readNames(store, tenantId, now)), names: undefined }
      tenants.set(tenantId, known)
    }
    return known
  }

  const namesOf = async (tenantId: string): Promise<Names> => {
    const tenant = ofTenant(tenantId)
    if (tenant.names === undefined || !isFresh(tenant.names)) tenant.names = await tenant.read()
    return tenant.names
  }

  return {
    spellingOf: async (tenantId, name) =>
      name === name.toLowerCase() ? (await namesOf(tenantId)).byLowerCase.get(name) : undefined,
    of: async (tenantId) => (await namesOf(tenantId)).all,
    forget: (tenantId) => void tenants.delete(tenantId),
  }
}
