/**
 * Tests a warehouse by using it: the server's own credentials write, list, read and delete files of a folder that nobody else
 * knows, then credentials as clients would get them must do the same within one table's place and nothing beside it. All that
 * was written is removed again, whatever happened; what was given up for the time is waited for first.
 */
import { joinLocation, type Location } from '../../iceberg/location.ts'
import type { ObjectStore } from '../storage.ts'
import type { RequestSigner, VendScope, Vending } from '../vending/vending.ts'
import { probeClients } from './clients.ts'
import { Checks, endsWithin, type Check, type Limits } from './checks.ts'
import type { Fault } from './fault.ts'
import { isGone, lists, placesOf, readsBack, refusesSecond, Writer, type Places } from './files.ts'

export interface WarehouseTest {
  readonly ok: boolean
  readonly checks: readonly Check[]
}

/** A warehouse, opened for its test. */
export interface ProbeTarget {
  readonly root: Location
  readonly store: ObjectStore
  readonly vending: Vending | undefined
  /** Where clients may have their requests signed by the server: the storage as they see it, and as it is without a signature. */
  readonly signed: { readonly store: ObjectStore; readonly unsigned: ObjectStore; readonly signer: RequestSigner } | undefined
  /** With what a client gets, and nothing else. */
  readonly openClient: (config: Readonly<Record<string, string>>) => ObjectStore | undefined
  /** Why what clients get is not bounded to a table, where the warehouse wants it so. */
  readonly unbounded: { readonly message: string; readonly alsoWrites: boolean } | undefined
  readonly advise: (fault: Fault) => string | undefined
}

export interface ProbeOptions {
  readonly id: string
  readonly principal: VendScope['principal']
  /** The name of the made-up table. */
  readonly table?: string
  readonly limits?: Limits
}

/** Together less than a request may take, unless a setting changes that. */
const LIMITS: Limits = { stepMs: 8000, totalMs: 20_000, sweepMs: 5000 }

async function probeServer(checks: Checks, { store }: ProbeTarget, places: Places, writer: Writer): Promise<void> {
  const { folder, inside, inSibling, beside } = places
  const files = [inside, inSibling, beside]
  const needs = ['server.write']
  const as = 'server'
  const write = {
    name: 'server.write',
    doing: 'write',
    as,
    what: `Can't write ${inside}`,
    passed: `Wrote below ${folder}`,
  } as const
  await checks.run(write, async () => {
    for (const location of files) await writer.write(store, location)
  })
  const again = { name: 'server.overwrite', doing: 'write', as, what: `Can't write ${inside} again`, needs } as const
  await checks.run({ ...again, passed: 'A file that is there is not overwritten' }, () => refusesSecond(store, inside))
  const read = {
    name: 'server.read',
    doing: 'read',
    as,
    what: `Can't read ${inside}`,
    passed: 'Read what was written',
    needs,
  } as const
  await checks.run(read, () => readsBack(store, inside))
  const list = { name: 'server.list', doing: 'list', as, what: `Can't list ${folder}`, needs } as const
  await checks.run({ ...list, passed: 'Listed what was written' }, () => lists(store, folder, files))
  const gone = joinLocation(folder, 'deleted')
  const remove = { name: 'server.delete', doing: 'delete', as, what: `Can't delete ${gone}`, needs } as const
  await checks.run({ ...remove, passed: 'Deleted a file' }, async () => {
    await writer.write(store, gone)
    await store.delete([gone])
    await isGone(store, gone)
  })
}

/** Never before everything that was begun has ended, as that could write once more. */
async function sweep(checks: Checks, { store }: ProbeTarget, places: Places, { maybe }: Writer): Promise<void> {
  await checks.settled()
  if (maybe.size === 0) return
  await store.delete([...maybe])
  await store.delete([`${places.folder}/`])
}

async function cleanUp(checks: Checks, target: ProbeTarget, places: Places, writer: Writer): Promise<void> {
  const sweeping = sweep(checks, target, places, writer)
  // Goes on when the answer is out, and its end is not waited for.
  void sweeping.catch(() => undefined).then(() => target.store.close().catch(() => undefined))
  try {
    if (await endsWithin(sweeping, checks.limits.sweepMs))
      return checks.add('cleanup', 'passed', 'Nothing that the test wrote is left')
  } catch {
    // The reason is that of an earlier check, and what is to be done about this is the same for all.
  }
  if (writer.written.size === 0) return checks.add('cleanup', 'skipped', 'Nothing is known to have been written')
  checks.add('cleanup', 'failed', `Something may be left below ${places.folder}`, `Remove ${places.folder}/ by hand`)
}

/** `target` is closed when the test is over. Throws nothing that a store or a provider threw. */
export async function probeWarehouse(target: ProbeTarget, options: ProbeOptions): Promise<WarehouseTest> {
  const places = placesOf(target.root, options.id, options.table ?? 't')
  const writer = new Writer()
  const checks = new Checks(options.limits ?? LIMITS, target.advise)
  try {
    await probeServer(checks, target, places, writer)
    await probeClients(checks, target, { places, writer, principal: options.principal })
  } finally {
    await cleanUp(checks, target, places, writer)
  }
  return { ok: checks.list.every(({ status }) => status !== 'failed'), checks: checks.list }
}
