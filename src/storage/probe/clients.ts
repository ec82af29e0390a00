/**
 * The half of a warehouse's test that plays a client: one that may write a made-up table, and one that may read it. Each gets
 * what the warehouse would vend, opens the storage with that alone, and must be refused everything beside the table.
 */
import { joinLocation, type Location } from '../../iceberg/location.ts'
import { StorageError, type ObjectStore } from '../storage.ts'
import type { VendScope, Vending } from '../vending/vending.ts'
import { Finding, type Checks, type Step } from './checks.ts'
import { isGone, lists, MAX_BYTES, readsBack, type Places, type Writer } from './files.ts'
import type { ProbeTarget } from './probe.ts'

interface Clients {
  readonly places: Places
  readonly writer: Writer
  readonly principal: VendScope['principal']
}

interface Client extends Clients {
  readonly title: 'writer' | 'reader' | 'signed'
  readonly store: ObjectStore
  readonly unbounded: ProbeTarget['unbounded']
}

const LEAK_FIX =
  'Do not give these credentials to anybody: the service does not hold them to their table. Use one that does, or set vending_strategy to "None"'
const SIGNS =
  'Clients get no credentials: the server signs their requests by the credential that is tested here, and judges each itself'
const OPEN_FIX =
  'Make the bucket private: remove what lets anybody read it (a policy or ACL for everybody), which no signature holds to a table'
const SHORT_SECONDS = 900

/** Passes where the service says no, and only there: an error is no proof. */
async function refusedElse(leak: Finding, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'forbidden') return
    throw error
  }
  throw leak
}

const refused = (what: string, work: () => Promise<unknown>): Promise<void> =>
  refusedElse(new Finding(`Credentials for one table could ${what}`, LEAK_FIX), work)

async function firstOf(store: ObjectStore, folder: Location): Promise<void> {
  for await (const _ of store.list(`${folder}/`)) return
}

/** Listing the files of a folder beside must be refused, also when there are none. */
const outsideChecks = ({ title, store, places, writer }: Client): readonly [string, string, () => Promise<void>][] => {
  const { sibling, inSibling, beside, folder } = places
  const stranger = joinLocation(sibling, 'data', `of-the-${title}`)
  const read = (location: Location) => store.read(location, { maxBytes: MAX_BYTES })
  return [
    [
      'sibling',
      `Refused to read, list, write or delete in ${sibling}`,
      async () => {
        await refused(`read ${inSibling}`, () => read(inSibling))
        await refused(`list ${sibling}`, () => firstOf(store, sibling))
        await refused(`write ${stranger}`, () => writer.write(store, stranger))
        await refused(`delete ${inSibling}`, () => store.delete([inSibling]))
      },
    ],
    [
      'neighbour',
      `Refused to read or delete ${beside}`,
      async () => {
        await refused(`read ${beside}`, () => read(beside))
        await refused(`delete ${beside}`, () => store.delete([beside]))
      },
    ],
    ['above', `Refused to list ${folder}`, () => refused(`list ${folder}`, () => firstOf(store, folder))],
  ]
}

async function staysInside(checks: Checks, client: Client): Promise<void> {
  const { title, unbounded, places } = client
  for (const [name, passed, work] of outsideChecks(client)) {
    const step: Step = {
      name: `${title}.${name}`,
      doing: 'read',
      as: 'client',
      what: `It could not be proven that credentials for ${places.table} end there`,
      passed,
      needs: [`${title}.read`],
    }
    if (unbounded === undefined) await checks.run(step, work)
    else checks.add(step.name, 'skipped', unbounded.message)
  }
}

/** How each client comes to the storage, and what must have passed before. */
const BY = {
  writer: { by: 'with vended credentials', needs: ['writer.vend'] },
  reader: { by: 'with vended credentials', needs: ['reader.vend'] },
  signed: { by: 'with requests that the server signed', needs: ['server.write'] },
} as const

async function usesTable(checks: Checks, client: Client): Promise<void> {
  const { title, store, places, writer } = client
  const { table, inside } = places
  const { by, needs } = BY[title]
  const common = { as: 'client', needs } as const
  const own = joinLocation(table, 'data', 'own')
  const writes = title !== 'reader'
  if (writes) {
    const write = { ...common, name: `${title}.write`, doing: 'write', what: `Can't write ${own} ${by}` } as const
    await checks.run({ ...write, passed: `Wrote into the table ${by}` }, () => writer.write(store, own))
  }
  const read = { ...common, name: `${title}.read`, doing: 'read', what: `Can't read ${inside} ${by}` } as const
  await checks.run({ ...read, passed: `Read a file of the table ${by}` }, () => readsBack(store, inside))
  const hasOwn = writes && checks.hasPassed(`${title}.write`)
  const list = { ...common, name: `${title}.list`, doing: 'list', what: `Can't list ${table} ${by}` } as const
  await checks.run({ ...list, passed: `Listed the table ${by}` }, () => lists(store, table, hasOwn ? [inside, own] : [inside]))
  if (!writes) return changesNothing(checks, client)
  const remove = { ...common, name: `${title}.delete`, doing: 'delete', what: `Can't delete ${own} ${by}` } as const
  await checks.run({ ...remove, needs: [`${title}.write`], passed: `Deleted a file of the table ${by}` }, async () => {
    await store.delete([own])
    await isGone(store, own)
  })
}

async function changesNothing(checks: Checks, { store, places, writer, unbounded }: Client): Promise<void> {
  const { table, inside } = places
  const forged = joinLocation(table, 'data', 'forged')
  const step: Step = {
    name: 'reader.no-write',
    doing: 'write',
    as: 'client',
    what: `It could not be proven that credentials to read ${table} change nothing`,
    passed: 'Refused to write and delete in the table',
    needs: ['reader.read'],
  }
  if (unbounded?.alsoWrites === true) return checks.add(step.name, 'skipped', unbounded.message)
  await checks.run(step, async () => {
    await refused(`write ${forged}, which was only to be read`, () => writer.write(store, forged))
    await refused(`delete ${inside}, which was only to be read`, () => store.delete([inside]))
  })
}

/** Closed only when nothing uses it any more. */
function closeLater(checks: Checks, store: ObjectStore): void {
  void checks.settled().then(() => store.close().catch(() => undefined))
}

async function probeClient(
  checks: Checks,
  target: ProbeTarget,
  vending: Vending,
  clients: Clients,
  title: 'writer' | 'reader',
): Promise<void> {
  const { vendor } = vending
  const { places, principal } = clients
  const step: Step = {
    name: `${title}.vend`,
    doing: 'vend',
    as: 'client',
    what: `No credentials for ${places.table}`,
    passed: `Got credentials to ${title === 'writer' ? 'read and write' : 'read'} one table`,
    needs: ['server.write'],
  }
  const vended = await checks.run(step, () =>
    vendor.vend({
      prefixes: [places.table],
      access: title === 'writer' ? 'read-write' : 'read',
      principal,
      lifetimeSeconds: Math.max(vendor.lifetime.leastSeconds, Math.min(vendor.lifetime.seconds, SHORT_SECONDS)),
    }),
  )
  if (vended === undefined) return
  const store = target.openClient(vended.credentials[0]?.config ?? {})
  if (store === undefined) {
    return checks.add(`${title}.use`, 'skipped', 'What clients get with this vending_strategy holds no key to try')
  }
  const client: Client = { ...clients, title, store, unbounded: target.unbounded }
  await usesTable(checks, client)
  await staysInside(checks, client)
  closeLater(checks, store)
}

/** What a signature opens is judged before it is made; here, that the storage takes it, and takes nothing without one. */
async function probeSigning(checks: Checks, signed: NonNullable<ProbeTarget['signed']>, clients: Clients): Promise<void> {
  const { store, unsigned } = signed
  const { inside } = clients.places
  await usesTable(checks, { ...clients, title: 'signed', store, unbounded: undefined })
  const step: Step = {
    name: 'signed.unsigned',
    doing: 'read',
    as: 'client',
    what: `It could not be proven that ${inside} is closed to whoever has no signature`,
    passed: 'Refused to read a file without a signature',
    needs: ['server.write'],
  }
  const leak = new Finding(`Anybody could read ${inside}, without a signature`, OPEN_FIX)
  await checks.run(step, () => refusedElse(leak, () => readsBack(unsigned, inside)))
  for (const each of [store, unsigned]) closeLater(checks, each)
  void checks.settled().then(() => signed.signer.close().catch(() => undefined))
}

export async function probeClients(checks: Checks, target: ProbeTarget, clients: Clients): Promise<void> {
  const { vending, signed } = target
  if (vending === undefined)
    checks.add('vending', 'skipped', signed === undefined ? 'The warehouse gives clients no credentials' : SIGNS)
  else {
    for (const title of ['writer', 'reader'] as const) await probeClient(checks, target, vending, clients, title)
    void checks.settled().then(() => vending.vendor.close().catch(() => undefined))
  }
  if (signed !== undefined) await probeSigning(checks, signed, clients)
}
