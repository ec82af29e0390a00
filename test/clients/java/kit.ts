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
export const SIGNING_TESTS = 'pangolin.SigningCatalogTests'
const CAPABLE_METHODS = [
  'testDropNamespaceWithNestedNamespace',
  'testListNestedNamespaces',
  'testNamespaceWithSlash',
  'testTableNameWithSlash',
]

/**
 * The kit as shipped; its tests of abilities that it takes for absent, see CapableCatalogTests.java; or its tests of tables by a
 * client without keys, for whom the server signs, see SigningCatalogTests.java.
 */
export type KitPart = 'shipped' | 'capable' | 'signing'

export interface KitTarget {
  readonly url: string
  readonly warehouse: string
  readonly token?: string
  readonly part: KitPart
  /** Where the part `signing` asks for its tables: a folder of a bucket, without a trailing slash. */
  readonly tables?: string
  /** The reference server on a JDBC catalog can't have them. */
  readonly namesWithDots?: boolean
}

const SELECTED: Readonly<Record<KitPart, readonly string[]>> = {
  shipped: [TABLE_TESTS, VIEW_TESTS].map((name) => `--select-class=${name}`),
  capable: CAPABLE_METHODS.map((method) => `--select-method=${CAPABLE_TESTS}#${method}`),
  signing: [`--select-class=${SIGNING_TESTS}`],
}

/** All else that the client needs comes from the server. Nothing of the machine's own may stand in for what it does not give. */
const SIGNED = {
  CATALOG_IO__IMPL: 'org.apache.iceberg.aws.s3.S3FileIO',
  CATALOG_HEADER_X__ICEBERG__ACCESS__DELEGATION: 'remote-signing',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
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
    'pangolin.tables': target.tables ?? '',
  }
  const properties = Object.entries(switches).map(([key, value]) => `-D${key}=${value}`)
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
    ...(target.part === 'signing' ? SIGNED : { CATALOG_IO__IMPL: 'org.apache.iceberg.hadoop.HadoopFileIO' }),
    ...(target.token === undefined ? {} : { CATALOG_TOKEN: target.token }),
  }
  const child = spawn(env.java, [...flags, ...console, ...SELECTED[target.part]], {
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
