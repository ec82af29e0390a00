/**
 * DuckDB writes the URL of its endpoint in lower case, so a name that no catalog has may mean the one catalog whose name
 * differs in that alone. The names of a tenant are read for it at most once in a while, however many unknown names are asked.
 */
import { pagesOf } from '../catalog/pages.ts'
import { shared } from '../once.ts'
import type { Store } from '../stores/store.ts'

const FRESH_MS = 1000
/** Reading the names may take this part of the time at most. */
const MOST_OF_THE_TIME = 1 / 50
const MAX_NAMES = 10_000
const MAX_TENANTS = 100

interface Names {
  /** By their spelling in lower case; undefined where several catalogs share it. */
  readonly byLowerCase: ReadonlyMap<string, string | undefined>
  readonly readAt: number
  readonly tookMs: number
}

export interface LowerCaseNames {
  /** The catalog's name as it is spelled. Undefined where there is none, or more than one. */
  find(tenantId: string, name: string): Promise<string | undefined>
  forget(tenantId: string): void
}

async function readNames(store: Store, tenantId: string, now: () => number): Promise<Names> {
  const readAt = now()
  const byLowerCase = new Map<string, string | undefined>()
  const startedAt = performance.now()
  for await (const page of pagesOf(store, 'catalogs', { index: 'primary', where: { tenant_id: tenantId } })) {
    for (const { name } of page) {
      const lower = name.toLowerCase()
      byLowerCase.set(lower, byLowerCase.has(lower) ? undefined : name)
    }
    if (byLowerCase.size >= MAX_NAMES) break
  }
  return { byLowerCase, readAt, tookMs: performance.now() - startedAt }
}

export function createLowerCaseNames(store: Store, now: () => number): LowerCaseNames {
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

  return {
    find: async (tenantId, name) => {
      if (name !== name.toLowerCase()) return undefined
      const tenant = ofTenant(tenantId)
      if (tenant.names === undefined || !isFresh(tenant.names)) tenant.names = await tenant.read()
      return tenant.names.byLowerCase.get(name)
    },
    forget: (tenantId) => void tenants.delete(tenantId),
  }
}
