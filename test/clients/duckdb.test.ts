/** DuckDB's iceberg extension: what it attaches, lists, reads and writes. */
import { after, test } from 'node:test'
import { runClient, stopMinio, WAREHOUSES } from './suite.ts'

after(stopMinio)

for (const warehouse of WAREHOUSES) {
  test(`DuckDB, ${warehouse} warehouse`, (context) =>
    runClient(context, { folder: 'duckdb', leastTests: 30 }, { database: 'sqlite', warehouse }))
}
