/** Flink SQL with the Iceberg project's own runtime: batch and streaming jobs, DDL, upserts, time travel. */
import { after, test } from 'node:test'
import { flink, stopFlink } from './flink/gateway.ts'
import { runClient, stopMinio } from './suite.ts'

const FLINK = { folder: 'flink', packagesOf: 'pyiceberg', tools: flink }

after(async () => {
  await stopFlink()
  await stopMinio()
})

test('Flink, local warehouse', (context) =>
  runClient(context, { ...FLINK, leastTests: 25 }, { database: 'sqlite', warehouse: 'local' }))

// What Flink tells the catalog is the same as above; what differs is how it reaches the files.
test('Flink, s3 warehouse', (context) =>
  runClient(
    context,
    { ...FLINK, leastTests: 10, selection: ['-k', 'access or streaming or types or overwrite or upsert or starts_in'] },
    { database: 'sqlite', warehouse: 's3' },
  ))
