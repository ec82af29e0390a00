/** DuckDB's iceberg extension: what it attaches, lists, reads and writes. */
import { after, test } from 'node:test'
import { runClient, stopServices, WAREHOUSES } from './suite.ts'

after(stopServices)

for (const warehouse of WAREHOUSES) {
  test(`DuckDB, ${warehouse} warehouse`, (context) =>
    runClient(context, { folder: 'duckdb', leastTests: 30 }, { database: 'sqlite', warehouse }))
}
