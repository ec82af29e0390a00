/**
 * What the npm scripts share: install what is missing, find a Node that is new enough, build. Plain JavaScript that any
 * Node from 20 runs on a fresh clone, where nothing is installed yet.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
/** `node:sqlite` without a flag and type stripping. */
const MINIMUM_NODE = 24
const MARKER = 'node_modules/.pangolin-installed'

const inRoot = (...parts) => join(root, ...parts)

export function fail(message) {
  process.stderr.write(`\npangolin: ${message}\n`)
  process.exit(1)
}

const sha256 = (text) => createHash('sha256').update(text).digest('hex')

function isInstalled(lockHash) {
  if (!existsSync(inRoot('node_modules', 'typescript'))) return false
  if (existsSync(inRoot(MARKER))) return readFileSync(inRoot(MARKER), 'utf8') === lockHash
  // Installed by hand: npm leaves its own copy of the lockfile behind.
  const hidden = inRoot('node_modules', '.package-lock.json')
  return existsSync(hidden) && statSync(hidden).mtimeMs >= statSync(inRoot('package-lock.json')).mtimeMs
}

/** Runs `npm ci` when node_modules is missing or does not belong to the lockfile. */
export function ensureInstalled() {
  const lockHash = sha256(readFileSync(inRoot('package-lock.json')))
  if (isInstalled(lockHash)) return
  process.stderr.write('pangolin: installing dependencies (npm ci) ...\n')
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional']
  const npm = process.env.npm_execpath
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (result.error) fail(`npm could not be started (${result.error.message}). Is npm on the PATH?`)
  if (result.status !== 0) fail('npm ci failed; its messages above say why. Is the package registry reachable?')
  writeFileSync(inRoot(MARKER), lockHash)
}

const major = (version) => Number(/^v(\d+)\./.exec(version)?.[1] ?? 0)

/** A Node of version 24 or newer: this process's own, or the one that npm installed. */
export function findNode() {
  if (major(process.version) >= MINIMUM_NODE) return process.execPath
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const candidates = [`node-${platform}-${process.arch}`, `node-bin-${platform}-${process.arch}`]
  for (const candidate of candidates) {
    const path = inRoot('node_modules', candidate, 'bin', file)
    if (!existsSync(path)) continue
    const probe = spawnSync(path, ['--version'], { encoding: 'utf8' })
    if (probe.status === 0 && major(probe.stdout) >= MINIMUM_NODE) return path
  }
  return fail(
    `Node ${MINIMUM_NODE} or newer is needed. This is ${process.version} on ${process.platform} ${process.arch}, and npm brought no ` +
      'newer one that runs here. Install Node 24 from https://nodejs.org and try again.',
  )
}

/** Path and content of every file that the build reads. */
function sourceHash() {
  const hash = createHash('sha256')
  const add = (relative) =>
    hash
      .update(relative)
      .update('\0')
      .update(readFileSync(inRoot(relative)))
      .update('\0')
  const files = readdirSync(inRoot('src'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const path of files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort()) add(path.slice(root.length))
  for (const path of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) add(path)
  return hash.digest('hex')
}

/** Compiles `src/` to `dist/` unless `dist/` was compiled from the very same sources. */
export function build() {
  const hash = sourceHash()
  const stamp = inRoot('dist', '.sources')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  process.stderr.write('pangolin: building ...\n')
  const fresh = inRoot(`dist.${process.pid}`)
  const old = inRoot(`dist.${process.pid}.old`)
  try {
    const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc')
    const result = spawnSync(findNode(), [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    })
    if (result.status !== 0) {
      rmSync(fresh, { recursive: true, force: true })
      fail('the sources do not compile; the messages above say where.')
    }
    mkdirSync(fresh, { recursive: true })
    writeFileSync(join(fresh, '.sources'), hash)
    if (existsSync(inRoot('dist'))) renameSync(inRoot('dist'), old)
    renameSync(fresh, inRoot('dist'))
  } finally {
    rmSync(fresh, { recursive: true, force: true })
    rmSync(old, { recursive: true, force: true })
  }
}

/** Runs a program with this terminal, hands signals on, and resolves to its exit code. */
export function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit', ...options })
    const handOn = (signal) => child.kill(signal)
    const signals = process.platform === 'win32' ? ['SIGINT'] : ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, handOn)
    // npm dies of a signal without handing it on: a server that nobody knows of must not keep its port.
    const parent = process.ppid
    const watch = setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 500)
    if (process.env.npm_lifecycle_event === undefined) clearInterval(watch)
    child.on('error', (error) => fail(`${program} could not be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      clearInterval(watch)
      for (const name of signals) process.off(name, handOn)
      resolve(code ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 1))
    })
  })
}
