/** Spark with the Iceberg project's own runtime: DDL, writes, views, branches, procedures. */
import { after, test } from 'node:test'
import { sparkJars } from './spark/jars.ts'
import { runClient, stopMinio } from './suite.ts'

const SPARK = { folder: 'spark', tools: sparkJars }

after(stopMinio)

test('Spark, local warehouse', (context) =>
  runClient(context, { ...SPARK, leastTests: 50 }, { database: 'sqlite', warehouse: 'local' }))

// What Spark tells the catalog is the same as above; what differs is how it reaches the files.
test('Spark, s3 warehouse', (context) =>
  runClient(
    context,
    { ...SPARK, leastTests: 20, selection: ['-k', 'connections or tables or procedures or remote_signing or time_travel'] },
    { database: 'sqlite', warehouse: 's3' },
  ))
