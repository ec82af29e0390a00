/** PyIceberg, the client that most users meet first: every database times every warehouse. */
import { after, test } from 'node:test'
import { MONGO_TITLE } from '../services/mongo.ts'
import { stopDatabases } from '../services/databases.ts'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)
after(stopDatabases)

for (const database of ['sqlite', 'postgres', 'memory', 'mongo'] as const) {
  for (const warehouse of WAREHOUSES) {
    test(`PyIceberg, ${database === 'mongo' ? MONGO_TITLE : database}, ${warehouse} warehouse`, (context) =>
      runClient(context, { folder: 'pyiceberg', leastTests: 200 }, { database, warehouse }))
  }
}
