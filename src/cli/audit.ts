/**
 * `pangolin audit …`: whether the logs of changes are what servers wrote. Results go to standard output, progress and problems to
 * standard error. Exit codes: 0 nothing found, 1 faults found or failed, 2 not understood.
 */
import { runTool, type Grammar, type Terminal } from './arguments.ts'
import { placeOf, progressLines, withStore } from './database.ts'
import { SettingsError } from '../config.ts'
import { verifyLogs, type Fault, type Head, type Verification } from '../history/verify.ts'
import { OperationError } from '../operations/fill.ts'
import { StoreError } from '../stores/store.ts'

export interface AuditCommandParts extends Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
}

const USAGE = `Usage:
  pangolin audit verify    follow the chain of hashes of every log, and name each line that was altered, removed or put in

It works on DATABASE_URL, or on --database URL, while servers run. --json answers for programs, --quiet tells no progress.
`

const OPTIONS = { database: { type: 'string' }, json: { type: 'boolean' }, quiet: { type: 'boolean' } } as const

const GRAMMAR: Grammar<typeof OPTIONS> = {
  group: 'audit',
  options: OPTIONS,
  common: ['json', 'quiet'],
  commands: { verify: { options: ['database'] } },
}

type Log = Pick<Head, 'tenant_id' | 'catalog_id' | 'branch'>

const nameOf = ({ tenant_id, catalog_id, branch }: Log): string =>
  catalog_id === '' ? `tenant ${tenant_id}` : `catalog ${catalog_id}@${branch} of tenant ${tenant_id}`

const describeFault = (fault: Fault): string =>
  `${fault.kind}: ${nameOf(fault)}, position ${fault.position}${fault.commit_id === null ? '' : `, change ${fault.commit_id}`}: ${fault.message}\n`

function describe({ logs, lines, pending, faults }: Verification): string {
  const ends = logs.map((log) => `  ${nameOf(log)}: position ${log.position}, hash ${log.hash}\n`).join('')
  const waiting = pending === 0 ? '' : ` ${pending} have no position yet.`
  const found = faults.length === 0 ? 'nothing is wrong' : `${faults.length} faults`
  const advice = 'Keep these ends elsewhere: a log that is written anew as a whole ends in another hash.\n'
  return `${faults.map(describeFault).join('')}Looked at ${lines} lines of ${logs.length} logs: ${found}.${waiting}\n${ends}${logs.length === 0 ? '' : advice}`
}

const KNOWN = [OperationError, SettingsError, StoreError]

/** Resolves to the exit code. */
export const auditCommand = (args: readonly string[], parts: AuditCommandParts): Promise<number> =>
  runTool(args, parts, {
    grammar: GRAMMAR,
    usage: USAGE,
    known: KNOWN,
    run: ({ values }, { out, err }) => {
      const progress = values.quiet === true ? (): void => {} : progressLines(err)
      return withStore(placeOf(values.database, parts.environment), true, async (store) => {
        const verification = await verifyLogs(store, (lines) => progress('verify', 'positions', lines))
        out(values.json === true ? `${JSON.stringify(verification)}\n` : describe(verification))
        return verification.faults.length === 0 ? 0 : 1
      })
    },
  })
