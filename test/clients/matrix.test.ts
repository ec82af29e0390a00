/** `npm run matrix` runs, and what it prints is what it says it is. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { installFerret } from '../services/ferret.ts'
import { requireService } from '../services/require.ts'
import { STEPS, type Cell, type Row } from './matrix/matrix.ts'
import { hasFailed, renderReport, withReport } from './matrix/render.ts'
import { pythonEnv, requirementsOf } from './python.ts'

const ROOT = join(import.meta.dirname, '..', '..')

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'matrix', 'main.ts')]
  return promisify(execFile)(process.execPath, [...flags, ...args], { cwd: ROOT }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

test('the matrix runs on memory and a local disk, and prints cells, versions and the date', async (context) => {
  if (requireService(context, await pythonEnv(requirementsOf())) === undefined) return
  const { code, stdout, stderr } = await run('--only', 'memory:local')
  assert.equal(code, 0, stdout + stderr)
  const lines = stdout.trim().split('\n')
  assert.deepEqual(lines.slice(0, 4), [
    '| database | storage | table creation | data write | data read | schema update |',
    '| --- | --- | --- | --- | --- | --- |',
    '| memory | local disk | passed | passed | passed | passed |',
    '',
  ])
  assert.match(
    lines[4] ?? '',
    /^Run on \d{4}-\d\d-\d\d with Pangolin \d\S*, PyIceberg \d\S* \(PyArrow \d\S*, Python \d\S*\), Node\.js \d\S*\.$/,
  )
  assert.equal(lines.length, 5)
})

test('the MongoDB engine passes its row on FerretDB, which others wrote', async (context) => {
  if (requireService(context, await pythonEnv(requirementsOf())) === undefined) return
  if (requireService(context, await installFerret()) === undefined) return
  const { code, stdout, stderr } = await run('--only', 'ferret:local')
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /\| MongoDB engine on FerretDB, one request at a time \| local disk \|( passed \|){4}\n/)
  assert.match(stdout, /, FerretDB 1\.24\.2/)
})

test('what the matrix can not run is refused, and nothing is written', async () => {
  const page = readFileSync(join(ROOT, 'docs', 'storage.md'), 'utf8')
  assert.match((await run('--only', 'oracle:tape')).stderr, /no combination oracle:tape; there are memory:local, /)
  const partly = await run('--write', '--only', 'memory:local')
  assert.deepEqual([partly.code, partly.stdout], [1, ''])
  assert.equal(readFileSync(join(ROOT, 'docs', 'storage.md'), 'utf8'), page)
})

test('skipped and failed cells say why, once for each reason', () => {
  const cells = (outcome: Cell['outcome'], reason?: string): Cell[] => STEPS.map(([step]) => ({ step, outcome, reason }))
  const rows: Row[] = [
    { database: 'postgres', storage: 'local', cells: cells('skipped', 'no initdb') },
    { database: 'postgres', storage: 's3', cells: cells('skipped', 'no initdb') },
    {
      database: 'sqlite',
      storage: 's3',
      cells: [...cells('passed').slice(1), { step: 'data read', outcome: 'failed', reason: 'a | b\nc' }],
    },
  ]
  assert.ok(hasFailed(rows))
  assert.ok(!hasFailed(rows.slice(0, 2)))
  const report = renderReport({ rows, versions: ['Pangolin 1'], date: '2020-01-01' })
  assert.match(report, /\| PostgreSQL \| local disk \|( skipped \(1\) \|){4}\n/)
  assert.match(report, /\| failed \(2\) \|\n\n1\. no initdb\n2\. a ' b c\n\nRun on 2020-01-01 with Pangolin 1\.$/)
  const page = withReport(readFileSync(join(ROOT, 'docs', 'storage.md'), 'utf8'), report)
  assert.ok(page.includes(report))
  assert.equal(withReport(page, report), page, 'written again it stays the same')
  assert.throws(() => withReport('no block', report), /no block/)
})
