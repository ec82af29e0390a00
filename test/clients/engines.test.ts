/** Engines that read and write tables in their own way: Polars, Daft and ClickHouse (on MinIO only). */
import { after, test } from 'node:test'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)

for (const warehouse of WAREHOUSES) {
  test(`Polars, Daft and ClickHouse, ${warehouse} warehouse`, (context) =>
    runClient(context, { folder: 'engines', leastTests: 17 }, { database: 'sqlite', warehouse }))
}
