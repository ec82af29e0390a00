/** Runs classes of the Iceberg REST compatibility kit by the JUnit console launcher and reads what became of each test. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JavaEnv } from './java.ts'

const LIMIT_MINUTES = 10
const KIT = 'org.apache.iceberg.rest'
export const TABLE_TESTS = `${KIT}.RESTCompatibilityKitCatalogTests`
export const VIEW_TESTS = `${KIT}.RESTCompatibilityKitViewCatalogTests`
export const CAPABLE_TESTS = 'pangolin.CapableCatalogTests'
const CAPABLE_METHODS = [
  'testDropNamespaceWithNestedNamespace',
  'testListNestedNamespaces',
  'testNamespaceWithSlash',
  'testTableNameWithSlash',
]

export interface KitTarget {
  readonly url: string
  readonly warehouse: string
  readonly token?: string
  /** The kit as shipped, or its tests of abilities that it takes for absent: see CapableCatalogTests.java. */
  readonly part: 'shipped' | 'capable'
  /** The reference server on a JDBC catalog can't have them. */
  readonly namesWithDots?: boolean
}

export interface KitResult {
  readonly suite: string
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** Why it failed or was skipped. */
  readonly reason: string
}

export async function runKit(env: JavaEnv, target: KitTarget): Promise<KitResult[]> {
  const reports = mkdtempSync(join(tmpdir(), 'pangolin-kit-'))
  const leftBehind = tablesFolders().filter((folder) => !existsSync(folder))
  try {
    const output = await launch(env, target, reports)
    const report = readdirSync(reports).find((file) => file.endsWith('jupiter.xml'))
    if (report === undefined) throw new Error(`the compatibility kit wrote no report:\n${output}`)
    const results = parseReport(readFileSync(join(reports, report), 'utf8'))
    if (results.length === 0) throw new Error(`the compatibility kit ran no test:\n${output}`)
    return results
  } finally {
    for (const folder of [reports, ...leftBehind]) rmSync(folder, { recursive: true, force: true })
  }
}

/** Where the kit asks for tables; it has no setting for that. */
function tablesFolders(): string[] {
  return ['newdb', 'ns'].map((namespace) => join('/tmp', namespace))
}

async function launch(env: JavaEnv, target: KitTarget, reports: string): Promise<string> {
  const switches = {
    'rck.local': 'false',
    'rck.requires-namespace-create': 'true',
    'rck.supports-serverside-retry': 'true',
    'rck.overrides-requested-location': 'false',
    'rck.supports-names-with-dot': String(target.namesWithDots ?? true),
    'rck.purge-test-namespaces': 'true',
    'org.slf4j.simpleLogger.defaultLogLevel': 'error',
  }
  const properties = Object.entries(switches).map(([key, value]) => `-D${key}=${value}`)
  const shipped = [TABLE_TESTS, VIEW_TESTS].map((name) => `--select-class=${name}`)
  const select =
    target.part === 'shipped' ? shipped : CAPABLE_METHODS.map((method) => `--select-method=${CAPABLE_TESTS}#${method}`)
  const flags = ['-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...properties, '-cp', env.classpath]
  const console = [
    'org.junit.platform.console.ConsoleLauncher',
    'execute',
    '--disable-banner',
    '--details=none',
    `--reports-dir=${reports}`,
  ]
  // The environment, unlike the command line, is not for every user of the machine to read.
  const client = {
    CATALOG_URI: target.url,
    CATALOG_WAREHOUSE: target.warehouse,
    CATALOG_IO__IMPL: 'org.apache.iceberg.hadoop.HadoopFileIO',
    ...(target.token === undefined ? {} : { CATALOG_TOKEN: target.token }),
  }
  const child = spawn(env.java, [...flags, ...console, ...select], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...client },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MINUTES * 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-50_000)))
  }
  await new Promise<void>((resolve) => child.once('close', () => resolve()))
  return output
}

export function parseReport(xml: string): KitResult[] {
  const cases = xml.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([^]*?)<\/testcase>)/g)
  const results = [...cases].map(([, name, suite, content = '']): KitResult => {
    const problem = /<(failure|error|skipped)\b[^]*?<\/\1>/.exec(content)
    const identity = { suite: text(suite!).split('.').at(-1)!, name: text(name!) }
    if (problem === null) return { ...identity, outcome: 'passed', reason: '' }
    const reason = text(problem[0].replace(/<!\[CDATA\[|\]\]>/g, '').replace(/^<\w+[^>]*>|<\/\w+>$/g, '')).trim()
    if (problem[1] !== 'skipped') return { ...identity, outcome: 'failed', reason }
    // The first line names the assumption; the rest is the stack of whoever checked it.
    return { ...identity, outcome: 'skipped', reason: reason.split('\n')[0]!.replace(/^[\w.]+Exception: /, '') }
  })
  const announced = Number(/<testsuite [^>]*\btests="(\d+)"/.exec(xml)?.[1])
  if (announced !== results.length) throw new Error(`the report announces ${announced} tests and lists ${results.length}`)
  return results
}

const text = (escaped: string): string =>
  escaped.replace(/&(?:#(\d+)|#x([\da-f]+)|lt|gt|quot|apos|amp);/gi, (entity, decimal?: string, hex?: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' }[entity.toLowerCase()] ?? entity
  })
