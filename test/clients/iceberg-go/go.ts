/** iceberg-go: its command line, and its integration tests as programs that can be told where the catalog is. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { build, builtOnce, type NativeOutcome } from '../built.ts'

const MODULE = 'github.com/apache/iceberg-go'
const VERSION = 'v0.7.0'
const PROGRAM = `${MODULE}/cmd/iceberg@${VERSION}`
const SMALL = '-ldflags=-s -w'
/** Where its tests look for the catalog. */
const FIXED = '"http://localhost:8181"'
const ADDRESS = 'catalogAddress'
/** By folder: the test files that hold the address, and the packages that they are of. */
const SUITES = {
  'catalog/rest': {
    program: 'rest.test',
    files: ['conformance_test.go', 'endpoints_integration_test.go', 'rest_integration_test.go'],
    packages: ['rest', 'rest_test'],
  },
  table: { program: 'table.test', files: ['orphan_cleanup_integration_test.go'], packages: ['table_test'] },
} as const

const addressFile = (name: string): string =>
  `//go:build integration\n\npackage ${name}\n\nimport "os"\n\nvar ${ADDRESS} = os.Getenv("CATALOG_URI")\n`

/** The file of the program. */
export async function icebergGo(): Promise<Availability<string>> {
  const folder = await builtOnce('iceberg-go', 'go', [PROGRAM], makeProgram)
  return 'missing' in folder ? folder : { value: join(folder.value, 'iceberg') }
}

async function makeProgram(folder: string): Promise<void> {
  mkdirSync(folder)
  await build(folder, 'go', ['install', SMALL, PROGRAM], { GOBIN: folder })
}

/** The integration tests of the packages `catalog/rest` and `table`. */
export interface IcebergGoTests {
  readonly rest: string
  readonly table: string
}

export async function icebergGoTests(): Promise<Availability<IcebergGoTests>> {
  const inputs = [MODULE, VERSION, FIXED, addressFile(''), JSON.stringify(SUITES)]
  const folder = await builtOnce('iceberg-go-tests', 'go', inputs, makeTests)
  if ('missing' in folder) return folder
  const file = (suite: keyof typeof SUITES): string => join(folder.value, SUITES[suite].program)
  return { value: { rest: file('catalog/rest'), table: file('table') } }
}

async function makeTests(folder: string): Promise<void> {
  mkdirSync(folder)
  const { Dir } = JSON.parse(await build(folder, 'go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`])) as { Dir: string }
  const source = join(folder, 'source')
  cpSync(Dir, source, { recursive: true })
  // Go's own copy is read-only.
  await build(folder, 'chmod', ['-R', 'u+w', source])
  for (const [suite, { program, files, packages }] of Object.entries(SUITES)) {
    for (const name of files) replaceAddress(join(source, suite, name))
    for (const name of packages) {
      const file = name.endsWith('_test') ? 'address_external_test.go' : 'address_internal_test.go'
      writeFileSync(join(source, suite, file), addressFile(name))
    }
    await build(source, 'go', ['test', '-c', '-tags', 'integration', SMALL, '-o', join(folder, program), `./${suite}`])
  }
  rmSync(source, { recursive: true })
}

function replaceAddress(file: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(FIXED)) throw new Error(`${file} does not have the address ${FIXED}`)
  writeFileSync(file, text.replaceAll(FIXED, ADDRESS))
}

/** The outcomes in the output of a Go test program with `-test.v`: of tests that have no tests within. */
export function goOutcomes(output: string): NativeOutcome[] {
  const words = { PASS: 'passed', FAIL: 'failed', SKIP: 'skipped' } as const
  const found = [...output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) \(/gm)].map(([, word, name]) => ({
    name: name ?? '',
    outcome: words[word as keyof typeof words],
  }))
  return found.filter(({ name }) => !found.some((other) => other.name.startsWith(`${name}/`)))
}

// `node test/clients/iceberg-go/go.ts` builds ahead of the tests.
if (import.meta.main) {
  for (const made of [await icebergGo(), await icebergGoTests()]) {
    console.log('value' in made ? made.value : `missing: ${made.missing}`)
    if ('missing' in made) process.exitCode = 1
  }
}
