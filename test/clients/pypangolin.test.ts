/** Pangolin's Python SDK, as published, against the management API and the doubled form of the Iceberg paths. */
import { after, test } from 'node:test'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)

for (const warehouse of WAREHOUSES) {
  test(`pypangolin, ${warehouse} warehouse`, (context) =>
    runClient(context, { folder: 'pypangolin', leastTests: 10 }, { database: 'sqlite', warehouse }))
}
