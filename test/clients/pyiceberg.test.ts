/** PyIceberg, the client that most users meet first: every database times every warehouse. */
import { after, test } from 'node:test'
import { stopSharedPostgres } from '../services/postgres.ts'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)
after(stopSharedPostgres)

for (const database of ['sqlite', 'postgres', 'memory'] as const) {
  for (const warehouse of WAREHOUSES) {
    test(`PyIceberg, ${database}, ${warehouse} warehouse`, (context) =>
      runClient(context, { folder: 'pyiceberg', leastTests: 200 }, { database, warehouse }))
  }
}
