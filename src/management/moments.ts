/**
 * Catalogs as they were: `sales@<position>`, `sales@<change>` and `sales@<time>` are catalog `sales`, read at that moment, unless a
 * catalog has that very name.
 */
import type { CatalogHandle } from '../catalog/call.ts'
import { MAIN_BRANCH } from '../catalog/catalogs.ts'
import { isMoment } from '../catalog/moments.ts'
import { IcebergError } from '../iceberg/errors.ts'
import { splitName, type CatalogHandles } from './handles.ts'

export interface MomentParts {
  readonly now: () => number
  /** @throws IcebergError 404 */
  readonly positionOf: (catalog: CatalogHandle, moment: string) => Promise<number>
}

interface Known {
  /** The catalog as it is. */
  readonly present: CatalogHandle
  readonly handle: CatalogHandle
  checkedAt: number
}

const FRESH_MS = 1000
const MOST_KNOWN = 10_000

const isMissing = (error: unknown): boolean => error instanceof IcebergError && error.type === 'NoSuchWarehouseException'

class Moments implements CatalogHandles {
  readonly namesOf: CatalogHandles['namesOf']
  readonly storageOf: CatalogHandles['storageOf']
  readonly close: CatalogHandles['close']
  readonly #handles: CatalogHandles
  readonly #parts: MomentParts
  /** By tenant, then by name. */
  readonly #known = new Map<string, Map<string, Known>>()
  readonly #pending = new Map<string, Promise<CatalogHandle>>()
  #size = 0

  constructor(handles: CatalogHandles, parts: MomentParts) {
    this.#handles = handles
    this.#parts = parts
    this.namesOf = handles.namesOf
    this.storageOf = handles.storageOf
    this.close = handles.close
  }

  resolve(tenantId: string, name: string): CatalogHandle | Promise<CatalogHandle> {
    const known = this.#known.get(tenantId)?.get(name)
    if (known !== undefined && Math.abs(this.#parts.now() - known.checkedAt) < FRESH_MS) return known.handle
    const split = splitName(name)
    if (split === undefined || !(split.suffix === MAIN_BRANCH || isMoment(split.suffix))) {
      return this.#handles.resolve(tenantId, name)
    }
    const key = `${tenantId}\0${name}`
    const joined = this.#pending.get(key)
    if (joined !== undefined) return joined
    const loading: Promise<CatalogHandle> = this.#load(tenantId, name, split).finally(() => {
      if (this.#pending.get(key) === loading) this.#pending.delete(key)
    })
    this.#pending.set(key, loading)
    return loading
  }

  forget(tenantId: string): void {
    const start = `${tenantId}\0`
    this.#handles.forget(tenantId)
    this.#size -= this.#known.get(tenantId)?.size ?? 0
    this.#known.delete(tenantId)
    for (const key of this.#pending.keys()) if (key.startsWith(start)) this.#pending.delete(key)
  }

  async #load(tenantId: string, name: string, { base, suffix }: { base: string; suffix: string }): Promise<CatalogHandle> {
    const checkedAt = this.#parts.now()
    try {
      return await this.#handles.resolve(tenantId, name)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    if (suffix === MAIN_BRANCH) return this.#handles.resolve(tenantId, base)
    const present = await this.#present(tenantId, base)
    const at = await this.#parts.positionOf(present, suffix)
    const known = this.#known.get(tenantId)?.get(name)
    const handle = known?.present === present && known.handle.at === at ? known.handle : { ...present, at }
    this.#remember(tenantId, name, { present, handle, checkedAt })
    return handle
  }

  /** `sales` or `sales@main`. */
  async #present(tenantId: string, base: string): Promise<CatalogHandle> {
    const split = splitName(base)
    if (split?.suffix !== MAIN_BRANCH) return this.#handles.resolve(tenantId, base)
    try {
      return await this.#handles.resolve(tenantId, base)
    } catch (error) {
      if (!isMissing(error)) throw error
      return this.#handles.resolve(tenantId, split.base)
    }
  }

  #remember(tenantId: string, name: string, known: Known): void {
    if (this.#size >= MOST_KNOWN) {
      this.#known.clear()
      this.#size = 0
    }
    let ofTenant = this.#known.get(tenantId)
    if (ofTenant === undefined) this.#known.set(tenantId, (ofTenant = new Map()))
    if (!ofTenant.has(name)) this.#size++
    ofTenant.set(name, known)
  }
}

export const createMomentHandles = (handles: CatalogHandles, parts: MomentParts): CatalogHandles => new Moments(handles, parts)
