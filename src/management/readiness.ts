/**
 * Whether the server can do its work now, said within two seconds whatever hangs. That writes succeed is known from those that
 * requests made; where there were none lately, a row is written and removed in one batch, and a small file beside the local
 * warehouses, which leaves nothing behind.
 */
import { randomUUID } from 'node:crypto'
import { open, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '../stores/store.ts'

export interface ReadinessParts {
  readonly store: Store
  /** How the writes of requests ended, in milliseconds of `performance.now()`. */
  readonly writes: { readonly succeededAt: number; readonly failedAt: number; readonly waitingSince: number | undefined }
  /** Files and folders without which nothing works, such as an embedded database. */
  readonly needed: readonly string[]
  /** Where local warehouses lie. It may not be there, but once it was it must stay, and take files. */
  readonly warehouses: string
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
}

export type Verdict =
  | { readonly isReady: true; readonly storeMs: number }
  | { readonly isReady: false; readonly store: 'ok' | 'unavailable'; readonly reason: string }

export interface Readiness {
  /** Resolves within two seconds, and never rejects. */
  check(): Promise<Verdict>
}

/** Of an answer. The rest of two seconds is for a busy process. */
const PATIENCE_MS = 1500
/** More frequent questions get the same answer. */
const FRESH_MS = 500
/** A write of a request that succeeded so short a time ago needs no probe. */
const PROBE_MS = 5000
/** A write that takes longer is as good as none. */
const SLOW_WRITE_MS = 2000
/** A check that hangs does not keep the next one from being made; but only so many hang at once. */
const [HANGING_MS, MAX_HANGING] = [3000, 4]
const PROBE_BYTES = Buffer.alloc(4096, 'x')

class Unready extends Error {
  readonly store: 'ok' | 'unavailable'
  constructor(store: Unready['store'], reason: string, cause?: unknown) {
    super(reason, { cause })
    this.store = store
  }
}

const unreadyFrom =
  (store: Unready['store'], reason: string) =>
  (cause: unknown): never => {
    throw new Unready(store, reason, cause)
  }

/** @throws Unready */
function createChecks({ store, writes, needed, warehouses }: ReadinessParts): () => Promise<Verdict> {
  const id = `health-${randomUUID()}`
  let hadWarehouses = false

  const checkFolders = async (): Promise<void> => {
    await Promise.all(needed.map((path) => stat(path))).catch(unreadyFrom('ok', 'a file or folder of the server is gone'))
    const isThere = await stat(warehouses).then(
      () => true,
      () => false,
    )
    if (hadWarehouses && !isThere) throw new Unready('ok', 'the folder of the local warehouses is gone')
    hadWarehouses = isThere
  }

  const probeFile = async (): Promise<void> => {
    const path = join(warehouses, `.${id}`)
    const file = await open(path, 'w', 0o600)
    try {
      await file.write(PROBE_BYTES)
      await file.sync()
    } finally {
      await file.close()
      await unlink(path)
    }
  }

  const checkWrites = async (): Promise<void> => {
    const { succeededAt, failedAt, waitingSince } = writes
    const now = performance.now()
    const hangs = waitingSince !== undefined && now - waitingSince > SLOW_WRITE_MS && succeededAt < waitingSince
    if (hangs) throw new Unready('unavailable', 'writes hang')
    const isKnown = succeededAt > failedAt && now - succeededAt < PROBE_MS
    const row = { id, name: id, properties: {}, created_at: 0 }
    const probe = [
      { op: 'insert', entity: 'tenants', row },
      { op: 'remove', entity: 'tenants', key: { id }, expected: 'any' },
    ] as const
    if (!isKnown) await store.write(probe).catch(unreadyFrom('unavailable', 'writes fail'))
    // The database may lie elsewhere.
    if (!isKnown && hadWarehouses) await probeFile().catch(unreadyFrom('ok', 'the folder of the local warehouses takes no files'))
  }

  return async () => {
    await checkFolders()
    const startedAt = performance.now()
    await store.get('tenants', { id: 'health' }).catch(unreadyFrom('unavailable', 'reads fail'))
    const storeMs = performance.now() - startedAt
    await checkWrites()
    return { isReady: true, storeMs }
  }
}

export function createReadiness(parts: ReadinessParts): Readiness {
  const check = createChecks(parts)
  let last: { readonly verdict: Verdict; readonly at: number } | undefined
  let newest: { readonly verdict: Promise<Verdict>; readonly since: number } | undefined
  let hanging = 0

  const settle = (verdict: Verdict, error?: unknown): Verdict => {
    const was = last?.verdict
    last = { verdict, at: performance.now() }
    if (verdict.isReady && was?.isReady === false) parts.log('ready-again', {})
    if (!verdict.isReady && (was === undefined || was.isReady || was.reason !== verdict.reason)) {
      const cause = error instanceof Error && error.cause !== undefined ? String(error.cause) : undefined
      parts.log('not-ready', { reason: verdict.reason, error: cause ?? verdict.reason })
    }
    return verdict
  }

  const start = (): Promise<Verdict> => {
    hanging++
    const own = {
      since: performance.now(),
      verdict: check()
        .then(
          (verdict) => settle(verdict),
          (error: unknown) => {
            const { store, message } =
              error instanceof Unready ? error : { store: 'unavailable' as const, message: 'the check failed' }
            return settle({ isReady: false, store, reason: message }, error)
          },
        )
        .finally(() => {
          hanging--
          if (newest === own) newest = undefined
        }),
    }
    newest = own
    return own.verdict
  }

  return {
    check: () => {
      const now = performance.now()
      if (last !== undefined && now - last.at < FRESH_MS) return Promise.resolve(last.verdict)
      const isUnderWay = newest !== undefined && (now - newest.since < HANGING_MS || hanging >= MAX_HANGING)
      const verdict = isUnderWay ? newest!.verdict : start()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<Verdict>((resolve) => {
        const slow: Verdict = { isReady: false, store: 'unavailable', reason: 'the database or a disk does not answer' }
        timer = setTimeout(() => resolve(settle(slow)), PATIENCE_MS)
      })
      return Promise.race([verdict, late]).finally(() => clearTimeout(timer))
    },
  }
}
