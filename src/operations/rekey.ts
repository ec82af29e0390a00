/**
 * Seals all secrets of a store with the current key. Servers may run meanwhile, if they have the key before among their
 * previous ones: each row is changed by itself, and a row that a server changes at the same time is looked at again.
 */
import type { Row } from '../stores/entities.ts'
import { StoreError, type Store } from '../stores/store.ts'
import { OperationError } from './fill.ts'
import { rowsOf } from './rows.ts'

export interface RekeyOptions {
  readonly store: Store
  /** The row's secrets sealed with the current key; undefined where they are, or where there are none. */
  readonly reseal: (row: Row<'warehouses'>) => string | undefined
  /** Tells the database that its key is the current one. */
  readonly nameKey: () => Promise<void>
}

export interface RekeyReport {
  readonly resealed: number
  readonly warehouses: number
}

/** A server that still has the key before alone may seal with it while this runs. */
const PASSES = 10

/** A run that was cut off is done again. @throws OperationError, SecretError for secrets of an unknown key */
export async function rekeyStore({ store, reseal, nameKey }: RekeyOptions): Promise<RekeyReport> {
  let resealed = 0
  for (let pass = 1; pass <= PASSES; pass++) {
    let [changed, warehouses] = [0, 0]
    for await (const item of rowsOf(store, 'warehouses')) {
      warehouses++
      changed += await resealRow(store, { ...item.row, version: item.version } as Row<'warehouses'>, reseal)
    }
    resealed += changed
    // The key is named when a whole pass found nothing to do.
    if (changed > 0) continue
    await nameKey()
    return { resealed, warehouses }
  }
  throw new OperationError('Servers go on sealing secrets with the key before. Restart them with the new key, then try again.')
}

/** How many rows were changed: a row that another process changed meanwhile counts, so that another pass looks at it. */
async function resealRow(store: Store, row: Row<'warehouses'>, reseal: RekeyOptions['reseal']): Promise<0 | 1> {
  const secrets = reseal(row)
  if (secrets === undefined) return 0
  const { version, ...rest } = row
  try {
    await store.write([{ op: 'replace', entity: 'warehouses', row: { ...rest, secrets }, expected: version }])
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
  }
  return 1
}
