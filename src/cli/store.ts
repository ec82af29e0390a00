/**
 * `pangolin store …`: the operator's tools for a database, whatever its engine. Results go to standard output, progress and
 * problems to standard error. Exit codes: 0 done, 1 refused, failed or (check) errors found, 2 not understood.
 */
import { resolve } from 'node:path'
import { runTool, UsageError, type CommandLine, type Grammar, type Terminal } from './arguments.ts'
import { placeOf, progressLines, withStore } from './database.ts'
import { loadSettings, SettingsError } from '../config.ts'
import type { Settings } from '../config.ts'
import { backupStore, restoreStore } from '../operations/backup.ts'
import { checkStore } from '../operations/check.ts'
import type { CheckReport } from '../operations/check.ts'
import type { StorageOf } from '../operations/check-files.ts'
import { SecretError } from '../access/secrets.ts'
import { copyStore } from '../operations/copy.ts'
import { cancelDeletion, listDeletions, resumeDeletion } from '../operations/deletions.ts'
import type { Deletion } from '../operations/deletions.ts'
import { OperationError } from '../operations/fill.ts'
import type { FillReport } from '../operations/fill.ts'
import { rekeyStore, type RekeyOptions } from '../operations/rekey.ts'
import { totalRows } from '../operations/rows.ts'
import type { Digests, Progress } from '../operations/rows.ts'
import { databaseName } from '../stores/open.ts'
import { StoreError } from '../stores/store.ts'
import type { Store } from '../stores/store.ts'

export interface StoreCommandParts extends Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly openWarehouses: (
    store: Store,
    settings: Settings,
  ) => Promise<{ readonly storageOf: StorageOf; close(): Promise<void> }>
  readonly rekeyParts: (store: Store, settings: Settings) => Promise<Omit<RekeyOptions, 'store'>>
}

const USAGE = `Usage:
  pangolin store copy --from URL --to URL    copy everything into an empty database; the same command goes on after a break
  pangolin store check [--files]             find and explain inconsistencies, and prove the server; with --files look at the metadata files too
  pangolin store backup FILE                 write everything into one file, while servers run
  pangolin store restore FILE                read such a file into an empty database
  pangolin store rekey                       seal anew with PANGOLIN_ENCRYPTION_KEY what was sealed with one of
                                             PANGOLIN_PREVIOUS_ENCRYPTION_KEYS, while servers run that have both
  pangolin store deletions                   purges and other deletions that have not ended, and why; --resume ID tries one
                                             again that was given up, --cancel ID ends one and leaves what it has not deleted

check, backup, restore, rekey and deletions work on DATABASE_URL, or on --database URL. --json answers for programs, --quiet tells no progress.
`

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  database: { type: 'string' },
  resume: { type: 'string' },
  cancel: { type: 'string' },
  files: { type: 'boolean' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
} as const

type Command = CommandLine<typeof OPTIONS>

const GRAMMAR: Grammar<typeof OPTIONS> = {
  group: 'store',
  options: OPTIONS,
  common: ['json', 'quiet'],
  commands: {
    copy: { options: ['from', 'to'] },
    check: { options: ['database', 'files'] },
    backup: { options: ['database'], file: true },
    restore: { options: ['database'], file: true },
    rekey: { options: ['database'] },
    deletions: { options: ['database', 'resume', 'cancel'] },
  },
}

interface Run {
  readonly command: Command
  readonly parts: StoreCommandParts
  readonly out: (text: string) => void
  readonly progress: Progress
}

const fileOf = ({ command, parts }: Run): string => resolve(parts.environment['INIT_CWD'] ?? '', command.file ?? '')

const describeRows = (digests: Digests): string =>
  Object.entries(digests)
    .filter(([, { rows }]) => rows > 0)
    .map(([entity, { rows, sha256 }]) => `  ${entity.padEnd(12)} ${String(rows).padStart(10)}  sha256 ${sha256}\n`)
    .join('')

function tellFilled({ command, out }: Run, target: string, report: FillReport): void {
  if (command.values.json === true) return out(`${JSON.stringify({ target, ...report })}\n`)
  const resumed = report.resumed ? `, going on with what was there (${report.removed} outdated rows taken out)` : ''
  out(`${report.inserted} rows written to ${target}${resumed}. Read back and found equal:\n${describeRows(report.digests)}`)
}

async function copy(run: Run): Promise<number> {
  const { from, to } = run.command.values
  if (from === undefined || to === undefined) throw new UsageError('store copy needs --from URL and --to URL')
  await withStore({ url: from, what: '--from' }, true, (source) =>
    withStore({ url: to, what: '--to' }, false, async (target) => {
      const [identity, name] = [databaseName(from), databaseName(to)]
      if (identity === name) throw new OperationError('--from and --to are the same database')
      tellFilled(run, name, await copyStore({ from: source, to: target, identity, now: Date.now, progress: run.progress }))
    }),
  )
  return 0
}

async function backup(run: Run): Promise<number> {
  const [place, file] = [placeOf(run.command.values.database, run.parts.environment), fileOf(run)]
  return withStore(place, true, async (store) => {
    const report = await backupStore({ store, file, now: Date.now, progress: run.progress })
    if (run.command.values.json === true) run.out(`${JSON.stringify({ file, ...report })}\n`)
    else
      run.out(`${totalRows(report.digests)} rows of ${databaseName(place.url)} are in ${file}:\n${describeRows(report.digests)}`)
    return 0
  })
}

async function restore(run: Run): Promise<number> {
  const [place, file] = [placeOf(run.command.values.database, run.parts.environment), fileOf(run)]
  return withStore(place, false, async (store) => {
    tellFilled(run, databaseName(place.url), await restoreStore({ file, store, now: Date.now, progress: run.progress }))
    return 0
  })
}

function describeCheck({ findings, counts, rows, files }: CheckReport): string {
  const lines = findings.map(
    ({ severity, entity, row, message, code }) => `${severity}: ${entity} ${row}: ${message} [${code}]\n`,
  )
  const shown = (code: string): number => findings.filter((finding) => finding.code === code).length
  const more = Object.entries(counts).flatMap(([code, count]) => {
    const rest = count - shown(code)
    return rest > 0 ? [`and ${rest} more [${code}]\n`] : []
  })
  const looked = `${Object.values(rows).reduce((sum, count) => sum + count, 0)} rows${files > 0 ? ` and ${files} metadata files` : ''}`
  const found =
    findings.length === 0 ? 'nothing is wrong' : `${Object.values(counts).reduce((sum, count) => sum + count, 0)} findings`
  return `${[...lines, ...more].join('')}Looked at ${looked}: ${found}.\n`
}

async function check(run: Run): Promise<number> {
  const { files, json, database } = run.command.values
  // The settings say where the keys are, and which local folders may be read.
  const settings = files === true || database === undefined ? loadSettings(run.parts.environment) : undefined
  return withStore(placeOf(run.command.values.database, run.parts.environment, settings), true, async (store) => {
    // A database is no sounder than its server, which may be another one than at the first start.
    await store.prove?.()
    const warehouses = files === true ? await run.parts.openWarehouses(store, settings!) : undefined
    try {
      const report = await checkStore({
        store,
        now: Date.now,
        progress: run.progress,
        ...(warehouses && { storageOf: warehouses.storageOf }),
      })
      run.out(json === true ? `${JSON.stringify(report)}\n` : describeCheck(report))
      return report.findings.some(({ severity }) => severity === 'error') ? 1 : 0
    } finally {
      await warehouses?.close()
    }
  })
}

async function rekey(run: Run): Promise<number> {
  const settings = loadSettings(run.parts.environment)
  return withStore(placeOf(run.command.values.database, run.parts.environment, settings), true, async (store) => {
    const report = await rekeyStore({ store, ...(await run.parts.rekeyParts(store, settings)) })
    if (run.command.values.json === true) run.out(`${JSON.stringify(report)}\n`)
    else
      run.out(
        `${report.resealed} of ${report.warehouses} warehouses sealed anew. The key before is not needed any more, but for older backups.\n`,
      )
    return 0
  })
}

const describeDeletion = ({ id, kind, location, state, attempts, lastError, since }: Deletion): string =>
  `${id}  ${kind}  ${state}, ${attempts} attempts since ${new Date(since).toISOString()}  ${location}${lastError === null ? '' : `: ${lastError}`}\n`

async function deletions(run: Run): Promise<number> {
  const { resume, cancel, json } = run.command.values
  if (resume !== undefined && cancel !== undefined) throw new UsageError('store deletions takes one of --resume and --cancel')
  return withStore(placeOf(run.command.values.database, run.parts.environment), true, async (store) => {
    const now = Date.now()
    const tell = (found: object, text: string): void => run.out(json === true ? `${JSON.stringify(found)}\n` : text)
    if (resume !== undefined) {
      const resumed = await resumeDeletion(store, resume, now)
      tell(resumed, `Servers will try again: ${describeDeletion(resumed)}`)
    } else if (cancel !== undefined) {
      const cancelled = await cancelDeletion(store, cancel, now)
      tell(cancelled, `Cancelled, what it has not deleted stays: ${describeDeletion(cancelled)}`)
    } else {
      const found = await listDeletions(store, now)
      tell(found, found.length === 0 ? 'No deletion is waiting.\n' : found.map(describeDeletion).join(''))
    }
    return 0
  })
}

const RUNS: Readonly<Record<string, (run: Run) => Promise<number>>> = { copy, check, backup, restore, rekey, deletions }

const KNOWN = [OperationError, SettingsError, StoreError, SecretError]

/** Resolves to the exit code. */
export const storeCommand = (args: readonly string[], parts: StoreCommandParts): Promise<number> =>
  runTool(args, parts, {
    grammar: GRAMMAR,
    usage: USAGE,
    known: KNOWN,
    run: (command, { out, err }) => {
      const progress = command.values.quiet === true ? (): void => {} : progressLines(err)
      return RUNS[command.name]!({ command, parts, out, progress })
    },
  })
