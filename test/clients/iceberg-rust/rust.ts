/** The catalog suites of iceberg-rust, as programs: built from the crate that holds them. */
import { appendFileSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { build, builtOnce, type NativeOutcome } from '../built.ts'

const CRATE = 'iceberg-catalog-loader'
const VERSION = '0.10.1'
const UTILS = join(import.meta.dirname, 'test_utils')
/** Needed once, so it is built as fast as can be. */
const ADDED = `
[dev-dependencies.iceberg_test_utils]
path = "../test_utils"

[workspace]

[profile.dev]
debug = 0
incremental = false
strip = true
`

/** Files of programs, one for each suite. */
export async function icebergRust(): Promise<Availability<readonly string[]>> {
  const sources = readdirSync(UTILS).map((name) => readFileSync(join(UTILS, name), 'utf8'))
  const folder = await builtOnce('iceberg-rust', 'cargo', [CRATE, VERSION, ADDED, ...sources], make)
  if ('missing' in folder) return folder
  const programs = join(folder.value, 'programs')
  return { value: readdirSync(programs).map((name) => join(programs, name)) }
}

async function make(folder: string): Promise<void> {
  const inFolder = (name: string): string => join(folder, name)
  // Outside, where a build that was cut off finds what it has made.
  const target = `${folder}.target`
  const source = inFolder(CRATE)
  mkdirSync(inFolder('programs'), { recursive: true })
  cpSync(await crateSource(inFolder('fetched')), source, { recursive: true })
  cpSync(UTILS, inFolder('test_utils'), { recursive: true })
  appendFileSync(join(source, 'Cargo.toml'), ADDED)
  const messages = await build(source, 'cargo', ['test', '--no-run', '--tests', '--message-format', 'json'], {
    CARGO_TARGET_DIR: target,
  })
  for (const line of messages.split('\n').filter((text) => text.startsWith('{'))) {
    const { executable, target: made } = JSON.parse(line) as Message
    if (executable != null && made?.kind.includes('test')) copyFileSync(executable, join(inFolder('programs'), made.name))
  }
  for (const name of [inFolder('fetched'), source, target]) rmSync(name, { recursive: true })
}

/** What cargo says of a thing that it has built. */
interface Message {
  readonly executable?: string | null
  readonly target?: { readonly kind: readonly string[]; readonly name: string }
}

/** Cargo fetches what a package depends on: here one that needs nothing but the crate. */
async function crateSource(folder: string): Promise<string> {
  mkdirSync(folder)
  const manifest = `[package]\nname = "fetched"\nversion = "0.0.0"\n[lib]\npath = "lib.rs"\n[dependencies]\n${CRATE} = "=${VERSION}"\n`
  writeFileSync(join(folder, 'Cargo.toml'), manifest)
  writeFileSync(join(folder, 'lib.rs'), '')
  const { packages } = JSON.parse(await build(folder, 'cargo', ['metadata', '--format-version', '1'])) as {
    readonly packages: readonly { readonly name: string; readonly manifest_path: string }[]
  }
  const crate = packages.find(({ name }) => name === CRATE)
  if (crate === undefined) throw new Error(`cargo did not fetch ${CRATE}`)
  return dirname(crate.manifest_path)
}

/** The outcomes in the output of a Rust test program. */
export function rustOutcomes(output: string): NativeOutcome[] {
  const words = { ok: 'passed', FAILED: 'failed', ignored: 'skipped' } as const
  return [...output.matchAll(/^test (\S+) \.\.\. (ok|FAILED|ignored)/gm)].map(([, name, word]) => ({
    name: name ?? '',
    outcome: words[word as keyof typeof words],
  }))
}

// `node test/clients/iceberg-rust/rust.ts` builds ahead of the tests.
if (import.meta.main) {
  const made = await icebergRust()
  console.log('value' in made ? made.value.join('\n') : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
