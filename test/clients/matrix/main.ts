/**
 * `npm run matrix`: runs it and prints it. `--write` also writes it into docs/storage.md; `--only memory:local` (again and
 * again) runs a part. Ends with 1 where something failed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stopAzurite } from '../../services/azurite.ts'
import { stopDatabases } from '../../services/databases.ts'
import { stopFerret } from '../../services/ferret.ts'
import { stopFakeGcs } from '../../services/gcs.ts'
import { stopMinio } from '../suite.ts'
import { EVERY, runCombination, TITLES, type Combination, type Row } from './matrix.ts'
import { hasFailed, renderReport, withReport } from './render.ts'
import { versionsOf } from './versions.ts'

const PAGE = join(import.meta.dirname, '..', '..', '..', 'docs', 'storage.md')
const nameOf = ({ database, storage }: Combination): string => `${database}:${storage}`

function chosen(only: readonly string[]): readonly Combination[] {
  const unknown = only.find((name) => !EVERY.some((combination) => nameOf(combination) === name))
  if (unknown !== undefined) throw new Error(`no combination ${unknown}; there are ${EVERY.map(nameOf).join(', ')}`)
  return only.length === 0 ? EVERY : EVERY.filter((combination) => only.includes(nameOf(combination)))
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { write: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] } },
  })
  const combinations = chosen(values.only)
  if (values.write && combinations.length < EVERY.length) throw new Error('only the whole matrix can be written')
  const rows: Row[] = []
  // The servers of tests keep no process alive, and this one waits for their end.
  const alive = setInterval(() => undefined, 60_000)
  try {
    for (const combination of combinations) {
      process.stderr.write(`${TITLES[combination.database]}, ${TITLES[combination.storage]} ...\n`)
      rows.push(await runCombination(combination))
    }
    const report = renderReport({ rows, versions: await versionsOf(combinations), date: new Date().toISOString().slice(0, 10) })
    process.stdout.write(`${report}\n`)
    if (values.write) writeFileSync(PAGE, withReport(readFileSync(PAGE, 'utf8'), report))
    return hasFailed(rows) ? 1 : 0
  } finally {
    await Promise.all([stopDatabases(), stopFerret(), stopAzurite(), stopFakeGcs()])
    if (combinations.some(({ storage }) => storage === 's3')) await stopMinio()
    clearInterval(alive)
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`pangolin: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
