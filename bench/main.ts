/**
 * `npm run bench`: every figure of one run on one machine, as ratios where the machine's speed would matter. Names a part
 * (`reads`, `commits`, `stalls`, `idle`, `scale`, `postgres`, `mongo`, `workers`, `vending`, `signing`, `attack`, `readers`, `memory`, `history`) to run it alone. Exits with 1 when a target is missed.
 */
import { startServer } from '../test/clients/server.ts'
import { benchAttack } from './attack.ts'
import { benchCommits } from './commits.ts'
import { benchMongo, benchPostgres } from './databases.ts'
import { benchHistory } from './history.ts'
import { missedTargets, print } from './measure.ts'
import { benchMemory } from './memory.ts'
import { benchReaders } from './readers.ts'
import { benchReads } from './reads.ts'
import { benchIdle, benchPostgresScale, benchScale, targetOf } from './scale.ts'
import { benchSigning } from './signing.ts'
import { benchStalls } from './stalls.ts'
import { benchVending } from './vending.ts'
import { benchWorkers } from './workers.ts'

const parts = process.argv.slice(2)
const wanted = (part: string): boolean => parts.length === 0 || parts.includes(part)

print({ what: 'Node', figures: process.version })
if (wanted('idle')) await benchIdle()
if (wanted('reads') || wanted('commits')) {
  const server = await startServer({ database: 'sqlite', dist: true })
  const yardstick = await benchReads(targetOf(server), server.pid)
  if (wanted('commits')) await benchCommits(targetOf(server), server.pid, yardstick)
  await server.stop()
}
if (wanted('stalls')) await benchStalls()
if (wanted('scale')) await benchScale()
if (wanted('postgres')) await benchPostgres()
if (wanted('postgres-scale')) await benchPostgresScale()
if (wanted('mongo')) await benchMongo()
if (wanted('workers')) await benchWorkers()
if (wanted('vending')) await benchVending()
if (wanted('signing')) await benchSigning()
if (wanted('attack')) await benchAttack()
if (wanted('readers')) await benchReaders()
if (wanted('memory')) await benchMemory()
if (wanted('history')) await benchHistory()
process.exitCode = missedTargets() === 0 ? 0 : 1
