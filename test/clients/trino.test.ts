/** Trino itself: DDL, row-level writes, evolution, views, time travel, maintenance. */
import { after, test } from 'node:test'
import { runClient, stopMinio } from './suite.ts'
import { stopTrino, trino } from './trino/server.ts'

const TRINO = { folder: 'trino', tools: trino }

after(async () => {
  await stopTrino()
  await stopMinio()
})

test('Trino, local warehouse', (context) =>
  runClient(context, { ...TRINO, leastTests: 50 }, { database: 'sqlite', warehouse: 'local' }))

// What Trino tells the catalog is the same as above; what differs is how it reaches the files.
test('Trino, s3 warehouse', (context) =>
  runClient(
    context,
    {
      ...TRINO,
      leastTests: 30,
      selection: ['-k', 'access or schemas or tables or writes or snapshots or time_travel or test_credential'],
    },
    { database: 'sqlite', warehouse: 's3' },
  ))
