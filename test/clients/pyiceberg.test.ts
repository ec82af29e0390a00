/** PyIceberg, the client that most users meet first: every database times every warehouse, a stand-in for MongoDB with one. */
import { after, test } from 'node:test'
import { stopDatabases } from '../services/databases.ts'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)
after(stopDatabases)

for (const database of ['sqlite', 'postgres', 'memory'] as const) {
  for (const warehouse of WAREHOUSES) {
    test(`PyIceberg, ${database}, ${warehouse} warehouse`, (context) =>
      runClient(context, { folder: 'pyiceberg', leastTests: 200 }, { database, warehouse }))
  }
}

test('PyIceberg, mongo on a stand-in, local warehouse', (context) =>
  runClient(context, { folder: 'pyiceberg', leastTests: 200 }, { database: 'mongo', warehouse: 'local' }))
