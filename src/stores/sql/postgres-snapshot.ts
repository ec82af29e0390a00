/** Reads of PostgreSQL as of one moment: one transaction on a connection of its own, which hinders no writer. */
import { StoreError } from '../store.ts'
import type { SqlDriver } from './engine.ts'
import { itemOf, unavailable } from './postgres-connection.ts'
import type { Connection, Item } from './postgres-connection.ts'

/** Without the time limits that end an idle transaction: a backup writes to a disk between two reads. */
const OPENING = [
  'begin isolation level repeatable read, read only',
  'set local idle_in_transaction_session_timeout = 0',
  'set local statement_timeout = 60000',
  // The snapshot is of the transaction's first query.
  'select 1 from "schema_migrations" limit 1',
].map((sql, at): Item => ({ name: `snapshot ${at}`, sql, parameters: [] }))

/** @throws StoreError `unavailable`, also for reads after the connection broke: another one would show another moment */
export async function snapshotOf(connect: () => Promise<Connection>): ReturnType<NonNullable<SqlDriver['snapshot']>> {
  const connection = await connect()
  const run = async (items: readonly Item[]) => {
    const outcome = await connection.run(items)
    if (outcome.kind === 'done') return outcome.replies
    const why = outcome.kind === 'lost' ? `the connection broke: ${outcome.message}` : outcome.error.message
    throw unavailable(`the snapshot can not be read: ${why}`)
  }
  try {
    await run(OPENING)
  } catch (error) {
    connection.close()
    throw error
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    // One after the other: a connection carries one exchange at a time.
    all: (statement, parameters) => {
      const read = async () => {
        if (connection.isLost) throw new StoreError('unavailable', 'PostgreSQL: the snapshot is closed')
        return (await run([itemOf(statement, parameters)]))[0]?.rows ?? []
      }
      const rows = last.then(read, read)
      last = rows
      return rows
    },
    // Ends the transaction too.
    close: async () => {
      await last.catch(() => undefined)
      connection.close()
    },
  }
}
