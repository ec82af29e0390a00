/**
 * Makes `fixtures/schema-12.db.gz` and `fixtures/schema-12.json.gz`: a database as the version before made it, and what its catalog was
 * after each change. Run it with `node test/history/make-fixture.ts` in a clone that has the commit of `released.ts`; there is no
 * need to, unless `old-changes.ts` is to do more. The metadata files that the database names are not kept.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { startServer } from '../clients/server.ts'
import { askingOf, makeOldChanges } from './old-changes.ts'
import { releasedProgram } from './released.ts'

/** The same wherever it is made: the database names it. */
const DATA = '/tmp/pangolin-schema-12'
const FIXTURES = join(import.meta.dirname, 'fixtures')

const program = releasedProgram()
if ('missing' in program) throw new Error(program.missing)
mkdirSync(DATA)
const server = await startServer({ database: 'sqlite', dataDir: DATA, root: program.value })
try {
  const ask = askingOf(server)
  await ask('POST', '/api/v1/tokens', { description: 'for a job' })
  const moments = await makeOldChanges(ask)
  await server.stop()
  const file = join(DATA, 'pangolin.db')
  const database = new DatabaseSync(file)
  database.exec('pragma journal_mode = delete; vacuum')
  database.close()
  mkdirSync(FIXTURES, { recursive: true })
  writeFileSync(join(FIXTURES, 'schema-12.db.gz'), gzipSync(readFileSync(file), { level: 9 }))
  writeFileSync(join(FIXTURES, 'schema-12.json.gz'), gzipSync(JSON.stringify(moments), { level: 9 }))
  console.log(`${moments.length} changes`)
} finally {
  await server.stop()
  rmSync(DATA, { recursive: true, force: true })
}
