/**
 * Credentials that were made for a principal and a scope, kept until shortly before they end: of any number of callers the
 * first asks the provider, those who come meanwhile wait for that answer, those who come later get what it was. What failed
 * is not kept. Who may ask at all is decided before, each time; a warehouse that changed has another `id`.
 */
import { createHash } from 'node:crypto'
import type { Principal } from '../../access/principal.ts'
import { badRequest, unavailable } from '../../iceberg/errors.ts'
import type { Location } from '../../iceberg/location.ts'
import { VendingError, type Vended, type Vending } from '../../storage/vending/vending.ts'

/** A catalog's way to credentials. */
export interface CatalogVending extends Vending {
  /** Changes whenever the catalog's roots or its warehouse's settings do. */
  readonly id: string
  readonly warehouseName: string
}

export interface CredentialScope {
  /** As in `VendScope`. */
  readonly prefixes: readonly Location[]
  /** Those of the prefixes that may be opened now; asked before the provider is. All when absent. */
  readonly allowed?: () => Promise<readonly Location[]>
  readonly access: 'read' | 'read-write'
  readonly principal: Principal
}

export interface Issued extends Vended {
  /** Names these credentials in ETags; says nothing of them. */
  readonly tag: string
  /** From then on others are made. */
  readonly renewAtMs: number
}

export interface CredentialCache {
  /** At once where there are some. @throws IcebergError 503 when the provider does not give any, 400 when it can't */
  issue(vending: CatalogVending, scope: CredentialScope): Issued | Promise<Issued>
}

export interface CredentialCacheParts {
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
  readonly maxEntries?: number
}

const MAX_ENTRIES = 10_000
/** Longer than every provider's own limit. */
const PROVIDER_MS = 20_000
/** Clients renew five minutes before the end, and must get new ones then. */
const LEAST_MARGIN_MS = 360_000
/** Ends of callers' tokens are told apart as coarsely as this, so that sessions begun together share credentials. */
const TOKEN_GRAIN_MS = 300_000

/** A fifth of the life, enough for clients that renew in time, and never more than a half. */
const marginOf = (lifeMs: number): number => Math.min(lifeMs / 2, Math.max(lifeMs / 5, LEAST_MARGIN_MS))

const keyOf = (vending: CatalogVending, { prefixes, access, principal }: CredentialScope): string =>
  `${vending.id}\n${principal.tenantId}\n${principal.id}\n${access}\n${prefixes.join('\n')}`

/** When the caller's token ends, rounded down; credentials should not outlast it. */
const tokenEnd = ({ expiresAtMs }: Principal): number =>
  expiresAtMs === undefined ? Infinity : Math.floor(expiresAtMs / TOKEN_GRAIN_MS) * TOKEN_GRAIN_MS

async function bounded<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new VendingError('unavailable', 'The provider took too long')), PROVIDER_MS)
    timer.unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

export function createCredentialCache({ now, log, maxEntries = MAX_ENTRIES }: CredentialCacheParts): CredentialCache {
  const entries = new Map<string, Issued>()
  const pending = new Map<string, Promise<Issued>>()

  const ask = async (vending: CatalogVending, scope: CredentialScope, key: string, lifetimeSeconds: number): Promise<Issued> => {
    const askedAt = now()
    const { access, principal } = scope
    const prefixes = scope.allowed === undefined ? scope.prefixes : await scope.allowed()
    const { id, name, tenantId } = principal
    try {
      // For no place at all a provider may give them for every place.
      if (prefixes.length === 0) throw new VendingError('invalid', "its places are other tables' by now")
      const asking = vending.vendor.vend({ prefixes, access, principal: { id, name, tenantId }, lifetimeSeconds })
      const vended = await bounded(asking)
      const { expiresAtMs } = vended
      const renewAtMs = expiresAtMs === undefined ? Infinity : expiresAtMs - marginOf(expiresAtMs - askedAt)
      const tag = createHash('sha256').update(`${key}\n${expiresAtMs}`).digest('base64url').slice(0, 16)
      const issued = { ...vended, tag, renewAtMs }
      entries.delete(key)
      entries.set(key, issued)
      // Oldest first: those end first, too.
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!)
      return issued
    } catch (error) {
      throw failure(vending, error, log)
    }
  }

  return {
    issue: (vending, scope) => {
      const key = keyOf(vending, scope)
      const { seconds, leastSeconds } = vending.vendor.lifetime
      const at = now()
      const end = tokenEnd(scope.principal)
      const known = entries.get(key)
      if (known !== undefined && at < known.renewAtMs) {
        const latest = Math.max(end, at + leastSeconds * 1000)
        if (known.expiresAtMs === undefined || known.expiresAtMs <= latest) return known
      }
      const lifetimeSeconds = Math.max(leastSeconds, Math.min(seconds, Math.floor((end - at) / 1000)))
      // A caller whose token ends soon does not wait for credentials that would outlast it.
      const lane = lifetimeSeconds === seconds ? key : `${key}\n${end}`
      const underWay = pending.get(lane)
      if (underWay !== undefined) return underWay
      const started: Promise<Issued> = ask(vending, scope, key, lifetimeSeconds).finally(() => pending.delete(lane))
      pending.set(lane, started)
      return started
    },
  }
}

function failure({ warehouseName }: CatalogVending, error: unknown, log: CredentialCacheParts['log']): unknown {
  if (!(error instanceof VendingError)) return error
  log('credentials-not-vended', { warehouse: warehouseName, kind: error.kind, message: error.message })
  if (error.kind === 'invalid')
    return badRequest(`Warehouse ${warehouseName} has no credentials for this table: ${error.message}`)
  // Where and as whom it asked is for the log alone.
  const said =
    error.kind === 'refused' ? 'is refused credentials for clients; see the log' : 'can not get credentials for clients now'
  return unavailable(`Warehouse ${warehouseName} ${said}`, { cause: error })
}
