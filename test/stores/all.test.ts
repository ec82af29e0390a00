/** The conformance suite: every store, every behaviour. */
import { after, describe } from 'node:test'
import { stopFerret } from '../services/ferret.ts'
import { stopSharedPostgres } from '../services/postgres.ts'
import { backends, sequentialBackends } from './backends.ts'
import { batches } from './suite/batches.ts'
import { collections } from './suite/collections.ts'
import { compareAndSet } from './suite/compare-and-set.ts'
import { concurrency } from './suite/concurrency.ts'
import { hostileValues } from './suite/hostile-values.ts'
import { lifecycle } from './suite/lifecycle.ts'
import { lookUps } from './suite/look-ups.ts'
import { pages } from './suite/pages.ts'
import { requirements } from './suite/requirements.ts'
import { snapshots } from './suite/snapshots.ts'
import { uniqueIndexes } from './suite/unique-indexes.ts'

const suites = {
  collections,
  lookUps,
  batches,
  compareAndSet,
  uniqueIndexes,
  requirements,
  pages,
  hostileValues,
  concurrency,
  snapshots,
  lifecycle,
}

after(stopSharedPostgres)
after(stopFerret)

for (const backend of [...backends, ...sequentialBackends]) {
  describe(`store: ${backend.name}`, { skip: backend.skip ?? false }, () => {
    const { concurrency: _, ...sequential } = suites
    for (const [name, suite] of Object.entries(backend.isSequential === true ? sequential : suites))
      describe(name, () => suite(backend))
  })
}
