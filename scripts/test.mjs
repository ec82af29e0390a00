/**
 * `npm test`: everything that can run on this machine. Installs what is missing, checks lint and types, then hands all test
 * files to Node's own runner in one run, so that its closing counts are the last word. Arguments select test files: a
 * path, or a part of one; `quick` stands for all but the client suites and the services they start.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, ensureInstalled, fail, findNode, root, run } from './lib.mjs'

/** Test files at a time. The client suites start servers and clients of their own, each of them busy. */
const CONCURRENCY = 2
/** Longer than `test-guard.mjs` gives a file, which says what it found. */
const TIMEOUT_MINUTES = 30
/** Slow suites, the longest first, so that none of them is left to run alone at the end. */
const SLOW = [
  ...['pyiceberg', 'pyiceberg-suite', 'trino', 'spark', 'flink', 'rck'].map((name) => `test/clients/${name}.test.ts`),
  'test/clients/',
]

const selection = process.argv.slice(2)
ensureInstalled()
const node = findNode()
const files = select(testFiles(), selection)
if (files.length === 0) fail(`no test file matches ${selection.join(' or ')}`)
if (selection.length === 0) {
  build()
  await step('lint', ['node_modules/oxlint/bin/oxlint', '--quiet', '--deny-warnings', 'src', 'test', 'bench', 'scripts'])
  await step('types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'])
}
process.exitCode = await runTests(files)

async function step(title, args) {
  const code = await run(node, args)
  if (code !== 0) fail(`${title} failed; its messages are above. No test was run.`)
}

function testFiles() {
  const names = readdirSync(join(root, 'test'), { recursive: true }).map((name) => `test/${name.replaceAll('\\', '/')}`)
  const rank = (name) => SLOW.findIndex((prefix) => name.startsWith(prefix))
  // The fast ones (rank -1) first: what they find is known within seconds.
  return names.filter((name) => /\.test\.m?[jt]s$/.test(name)).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

function select(files, patterns) {
  if (patterns.length === 0) return files
  const matches = (file, pattern) =>
    pattern === 'quick' ? !file.startsWith('test/clients/') : file.includes(pattern.replace(/^\.\//, ''))
  return files.filter((file) => patterns.some((pattern) => matches(file, pattern)))
}

function runTests(files) {
  const options = [
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${TIMEOUT_MINUTES * 60_000}`,
    '--import=./scripts/test-guard.mjs',
    '--test-reporter=./scripts/test-reporter.mjs',
  ]
  return run(node, ['--disable-warning=ExperimentalWarning', '--test', ...options, ...files])
}
