/** `npm run check|bench|dev|matrix`: named scripts, run by a Node that is new enough. */
import { build, ensureInstalled, fail, findNode, run } from './lib.mjs'

const [name, ...args] = process.argv.slice(2)
const scripts = { check, bench, dev, matrix }
const script = Object.hasOwn(scripts, name ?? '')
  ? scripts[name]
  : fail(`no script named ${name}; there are ${Object.keys(scripts).join(', ')}`)
ensureInstalled()
process.exitCode = await script(findNode())

/** Lint, format, types, then the tests that need no server of another program. */
async function check(node) {
  const tool = (path) => `node_modules/${path}`
  const tests = [
    'iceberg',
    'stores',
    'storage',
    'access',
    'catalog',
    'management',
    'tasks',
    'operations',
    'cli',
    'http',
    'scripts',
  ].map((room) => `test/${room}/**/*.test.ts`)
  const steps = [
    ['lint', [tool('oxlint/bin/oxlint'), '--quiet', '--deny-warnings', 'src', 'test', 'bench', 'scripts']],
    ['format', [tool('oxfmt/bin/oxfmt'), '--check', 'src', 'test', 'bench', 'scripts']],
    ['types', [tool('typescript/bin/tsc'), '--noEmit', '-p', '.']],
    ['tests', ['--disable-warning=ExperimentalWarning', '--test', ...tests, 'test/*.test.ts', ...args]],
  ]
  for (const [title, step] of steps) {
    const code = await run(node, step)
    if (code !== 0) {
      process.stderr.write(`pangolin: check failed at ${title}\n`)
      return code
    }
  }
  return 0
}

function bench(node) {
  build()
  return run(node, ['--disable-warning=ExperimentalWarning', 'bench/main.ts', ...args])
}

/** What a client can do on every database and every storage, from a run on this machine. */
function matrix(node) {
  return run(node, ['--disable-warning=ExperimentalWarning', 'test/clients/matrix/main.ts', ...args])
}

/** The server from its sources on the memory store, started anew when a source changes. */
function dev(node) {
  const env = { DATABASE_URL: 'memory:', ...process.env }
  return run(node, ['--disable-warning=ExperimentalWarning', '--watch', 'src/main.ts', ...args], { env })
}
