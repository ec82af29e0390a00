/** The database that an operator's tool works on, and what the operator is told meanwhile. */
import { existsSync } from 'node:fs'
import { connectionSettings, loadSettings } from '../config.ts'
import type { Settings } from '../config.ts'
import { OperationError } from '../operations/fill.ts'
import type { Progress } from '../operations/rows.ts'
import { databaseFile, openStore } from '../stores/open.ts'
import type { ConnectionSettings } from '../stores/open.ts'
import type { Store } from '../stores/store.ts'

type Environment = Readonly<Record<string, string | undefined>>

const PROGRESS_MS = 2000

/** A line every two seconds, so that people see that something still happens. */
export function progressLines(err: (text: string) => void): Progress {
  let last = performance.now()
  return (step, entity, rows) => {
    const now = performance.now()
    if (now - last < PROGRESS_MS) return
    last = now
    err(`${step}: ${rows} rows, at ${entity}\n`)
  }
}

/** A URL on the command line says all; that of the settings goes with others of them. */
export interface Place {
  readonly url: string
  readonly what: string
  readonly connection?: ConnectionSettings
}

function open({ url, what, connection }: Place, mustExist: boolean): Store {
  if (/^memory:/i.test(url))
    throw new OperationError(`${what}: a memory: database is gone with its server; nothing else can reach it`)
  try {
    const file = databaseFile(url)
    if (mustExist && file !== undefined && !existsSync(file)) throw new OperationError(`${what}: there is no file ${file}`)
    return openStore(url, connection)
  } catch (error) {
    if (error instanceof TypeError) throw new OperationError(`${what}: ${error.message}`)
    throw error
  }
}

export async function withStore<T>(place: Place, mustExist: boolean, use: (store: Store) => Promise<T>): Promise<T> {
  const store = open(place, mustExist)
  try {
    await store.migrate()
    return await use(store)
  } finally {
    await store.close()
  }
}

/** `url`: of `--database`; without one, the database of the settings. */
export function placeOf(url: string | undefined, environment: Environment, settings?: Settings): Place {
  const what = 'The database'
  if (url !== undefined) return { url, what }
  const read = settings ?? loadSettings(environment)
  return { url: read.databaseUrl, what, connection: connectionSettings(read) }
}
