/** The rules of CONTRIBUTING.md that a program can check: who imports whom, who reads JSON, how long things may get. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const MAX_LINES = 400

/** What each room may import; a path means that file alone. Types vanish at run time, so they may come from contracts. */
const CONTRACTS = ['stores/store.ts', 'stores/entities.ts', 'stores/pages.ts', 'storage/storage.ts', 'storage/vending/vending.ts']
const MAY_IMPORT: Readonly<Record<string, { readonly values: readonly string[]; readonly types?: readonly string[] }>> = {
  'threads.ts': { values: [] },
  'once.ts': { values: [] },
  'nearest.ts': { values: [] },
  iceberg: { values: [] },
  stores: { values: ['iceberg', 'threads.ts', 'once.ts'] },
  storage: { values: ['iceberg', 'threads.ts', 'once.ts', 'nearest.ts'] },
  access: { values: ['iceberg', 'once.ts', ...CONTRACTS] },
  changes: { values: ['iceberg', ...CONTRACTS], types: ['access/principal.ts'] },
  history: { values: ['iceberg', 'changes/uuid.ts', ...CONTRACTS] },
  catalog: { values: ['iceberg', 'access', 'changes', 'history', 'threads.ts', 'once.ts', ...CONTRACTS] },
  management: {
    values: ['iceberg', 'access', 'changes', 'catalog', 'once.ts', 'nearest.ts', ...CONTRACTS],
    types: ['storage/open.ts'],
  },
  tasks: { values: ['iceberg', 'access', 'changes', 'history', 'catalog', 'management', 'storage/avro.ts', ...CONTRACTS] },
  http: { values: ['iceberg', 'access', 'catalog', 'management', ...CONTRACTS], types: ['changes/context.ts'] },
  operations: { values: ['iceberg', 'stores', 'storage/storage.ts'] },
  cli: {
    values: [
      'config.ts',
      'main.ts',
      'iceberg',
      'access',
      'history',
      'management',
      'operations',
      'stores/open.ts',
      'stores/store.ts',
    ],
  },
}
/** These know all rooms. */
const EVERYTHING = new Set(['app.ts', 'main.ts', 'config.ts', 'log.ts', 'setting-kinds.ts', 'workers.ts'])

/**
 * Files that may use the language's own JSON: none of them ever sees JSON of the Iceberg format. Why, for each:
 * quoting text for a message; plain columns of rows; sealed settings; files of our own; the log; answers and key files of
 * the clouds.
 */
const PLAIN_JSON = new Set([
  'access/authenticate.ts',
  'access/secrets.ts',
  'catalog/page-token.ts',
  'cli/arguments.ts',
  'cli/audit.ts',
  'cli/banner.ts',
  'cli/store.ts',
  'config.ts',
  'history/chain.ts',
  'setting-kinds.ts',
  'http/body.ts',
  'http/query.ts',
  'log.ts',
  'main.ts',
  'management/catalogs.ts',
  'management/first-start.ts',
  'management/input.ts',
  'operations/backup-file.ts',
  'operations/backup.ts',
  'operations/check.ts',
  'operations/rows.ts',
  'iceberg/json.ts',
  'iceberg/shape.ts',
  'storage/access-token.ts',
  'storage/gcs-settings.ts',
  'stores/tables.ts',
  'stores/sql/statements.ts',
  'stores/sql/sqlite-connection.ts',
])

const filesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
const sources = filesBelow('src')
const nameOf = (file: string): string => relative(join(ROOT, 'src'), file).split(sep).join('/')
const roomOf = (name: string): string => (name.includes('/') ? name.slice(0, name.indexOf('/')) : name)

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,]+?\s+from\s+)?'(\.[^']+)'|import\('(\.[^']+)'\)/g

function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => ({
    target: nameOf(join(dirname(file), match[2] ?? match[3] ?? '')),
    typeOnly: match[1] !== undefined,
  }))
}

test('a room imports only what the table allows', () => {
  const wrong: string[] = []
  let imports = 0
  for (const file of sources) {
    const name = nameOf(file)
    const room = roomOf(name)
    if (EVERYTHING.has(name)) continue
    const allowed = MAY_IMPORT[room]
    assert.ok(allowed !== undefined, `${name} stands in no room of the table`)
    for (const { target, typeOnly } of importsOf(file)) {
      imports++
      const places = [room, ...allowed.values, ...(typeOnly ? (allowed.types ?? []) : [])]
      if (!places.includes(roomOf(target)) && !places.includes(target)) wrong.push(`${name} -> ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(imports > 100, 'imports were found at all')
})

test('only iceberg/json.ts reads and writes Iceberg JSON', () => {
  const users = sources.filter((file) => /\bJSON\s*\.\s*(parse|stringify|rawJSON)\b/.test(readFileSync(file, 'utf8'))).map(nameOf)
  assert.deepEqual(
    users.filter((name) => !PLAIN_JSON.has(name)),
    [],
  )
})

/** What writes rows beside the door, and why each does. */
const WRITES_BESIDE_THE_DOOR: Readonly<Record<string, string>> = {
  'catalog/metrics/metrics-quota.ts':
    'removes what is over: reports beyond their quota, and records, reports and dropped things past the time that they were given. When that is was decided, and logged where a log tells of them, with their beginning; whichever server comes first removes them, row by row',
  'catalog/metrics/metrics.ts':
    'reports of clients say what was read and change nothing of a catalog. There are thousands of them, and one that is lost is no failure',
  'changes/idempotency.ts': 'the door itself: the outcome of a request that changed nothing',
  'changes/write.ts': 'the door itself: the one batch of a change',
  'history/retention.ts': 'ends the log. A line about each end would be the next one to end',
  'history/sequencer.ts': 'gives the lines their order, behind the changes. A line about that would wait for an order, too',
  'management/encryption-key.ts':
    'the key that secrets are sealed with is of the database, as the version of its schema is, and of no tenant: logs are tenants’, and the first server names the key before there is one. In the log of the default tenant it would tell its users of what is the operator’s. It is one row and one compare-and-set, never there by half',
  'management/readiness.ts': 'the probe is gone in the batch that it came with',
  'operations/deletions.ts':
    'an operator has a deletion tried again, or given up: the drop is in the log, and what is done or left is files, of which logs do not tell',
  'operations/fill.ts': 'makes an exact copy of a store with all its logs. A line more, and it would be none',
  'operations/rekey.ts': 'seals a secret anew that stays the same',
  'tasks/runner.ts':
    'leases of tasks, renewed every few seconds, and their ends, with the rows that a task removes: of a catalog whose drop is in the log',
}

test('use cases change the store through one door', () => {
  const writers = sources.filter((file) => /\b(store|target)\s*\.\s*write\(/.test(readFileSync(file, 'utf8'))).map(nameOf)
  assert.deepEqual(
    writers.filter((name) => !name.startsWith('stores/')).toSorted(),
    Object.keys(WRITES_BESIDE_THE_DOOR).toSorted(),
  )
})

/** `accounts.ts` passes over other tenants' rows; authentication reads the row of a credential itself, which says of whom it is. */
const READS_ACCOUNTS = ['access/accounts.ts', 'access/authenticate.ts']

test('users and tokens are looked up by id by way of the one function that asks for their tenant', () => {
  const read = /\b(get|getMany|lookUp|lookUpIn)(<[^>]*>)?\(\s*(\w+,\s*)?('(users|tokens)'|entity, \{ id)|by_user\b/
  const readers = sources.filter((file) => read.test(readFileSync(file, 'utf8'))).map(nameOf)
  assert.deepEqual(
    readers.filter((name) => !name.startsWith('stores/')),
    READS_ACCOUNTS,
  )
})

/** Their batch of files is what `deletable` answered. */
const DELETERS = ['catalog/commits/discard.ts', 'tasks/delete-files.ts', 'tasks/purge.ts', 'tasks/remove-folders.ts']

test('what deletes files of a warehouse asks the one function that tells what leads to them', () => {
  const texts = new Map(sources.map((file) => [nameOf(file), readFileSync(file, 'utf8')]))
  const deleters = [...texts].filter(([name, text]) => !name.startsWith('storage/') && /torage\b\s*\??\.\s*delete\(/.test(text))
  assert.deepEqual(deleters.map(([name]) => name).toSorted(), DELETERS)
  for (const [name, text] of deleters) assert.match(text, /\bdeletable\(/, name)
})

test('routes find catalogs by way of the one function that asks whether the caller sees them', () => {
  const past = sources.filter((file) => /\bhandles\s*\.\s*resolve\b/.test(readFileSync(file, 'utf8'))).map(nameOf)
  assert.deepEqual(
    past.filter((name) => name.startsWith('http/')),
    ['http/exchange.ts'],
  )
})

test('no source knows a framework of HTTP, a query builder or the clock of a pure room', () => {
  for (const file of sources) {
    const name = nameOf(file)
    const text = readFileSync(file, 'utf8')
    if (!name.startsWith('iceberg/')) continue
    assert.doesNotMatch(text, /\bDate\.now\(|\bnew Date\(\)|Math\.random\(|randomUUID|from 'node:(fs|http|net|timers)/, name)
  }
})

test(`files have at most ${MAX_LINES} lines, and say at their head why they exist`, () => {
  for (const file of [...sources, ...filesBelow('test'), ...filesBelow('bench')]) {
    const text = readFileSync(file, 'utf8')
    const lines = text.split('\n').length - 1
    assert.ok(lines <= MAX_LINES, `${relative(ROOT, file)} has ${lines} lines`)
  }
  for (const file of sources) assert.match(readFileSync(file, 'utf8'), /^\/\*\*/, `${nameOf(file)} begins with what it is for`)
})

test('no file mentions a machine', () => {
  const files = [...sources, ...filesBelow('test'), ...filesBelow('bench'), join(ROOT, 'README.md'), join(ROOT, 'package.json')]
  for (const file of files) {
    if (file === import.meta.filename) continue
    assert.ok(!/(^|[\s'"`(=])\/(work|root|home|Users)\//m.test(readFileSync(file, 'utf8')), relative(ROOT, file))
  }
})
