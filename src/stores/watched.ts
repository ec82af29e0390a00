/** A store whose writes are watched: whether they succeed is known without asking. */
import { StoreError, type Store } from './store.ts'

export interface WriteOutcomes {
  /** On the clock of `performance.now()`; -Infinity before the first. */
  readonly succeededAt: number
  readonly failedAt: number
  /** Since when the oldest write that is under way has been; undefined when none is. */
  readonly waitingSince: number | undefined
}

export interface WatchedStore {
  readonly store: Store
  readonly writes: WriteOutcomes
}

/** Conflicts are neither: they say nothing of whether a write is possible. */
export function watchWrites(inner: Store): WatchedStore {
  const underWay = new Set<{ readonly since: number }>()
  let [succeededAt, failedAt] = [-Infinity, -Infinity]
  const write: Store['write'] = async (mutations) => {
    const own = { since: performance.now() }
    underWay.add(own)
    try {
      const versions = await inner.write(mutations)
      succeededAt = performance.now()
      return versions
    } catch (error) {
      if (error instanceof StoreError && error.kind !== 'conflict') failedAt = performance.now()
      throw error
    } finally {
      underWay.delete(own)
    }
  }
  const store: Store = {
    get: (entity, key) => inner.get(entity, key),
    lookUp: inner.lookUp && ((entity, key) => inner.lookUp!(entity, key)),
    getMany: (entity, keys) => inner.getMany(entity, keys),
    list: (entity, options) => inner.list(entity, options),
    column: inner.column && ((entity, column, options) => inner.column!(entity, column, options)),
    write,
    snapshot: inner.snapshot && (() => inner.snapshot!()),
    migrate: () => inner.migrate(),
    prove: inner.prove && (() => inner.prove!()),
    close: () => inner.close(),
  }
  const writes: WriteOutcomes = {
    get succeededAt() {
      return succeededAt
    },
    get failedAt() {
      return failedAt
    },
    get waitingSince() {
      const [oldest] = underWay
      return oldest?.since
    },
  }
  return { store, writes }
}
