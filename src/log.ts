/** The log: one line an event, to standard error. Everything that came from outside stands in JSON, so no line can be forged. */
import { LOG_LEVELS, type LogLevel } from './config.ts'

export type Log = (event: string, details?: Readonly<Record<string, unknown>>) => void

export interface LogOptions {
  readonly format: 'pretty' | 'json'
  readonly level: LogLevel
  /** Which of several processes writes; said in each line. */
  readonly worker?: number | undefined
  readonly write?: (line: string) => void
}

/** Details with an `error` are an error, others information, unless they say their `level`. */
function levelOf(details: Readonly<Record<string, unknown>>): LogLevel {
  const given = LOG_LEVELS.find((level) => level === details['level'])
  return given ?? (details['error'] === undefined ? 'info' : 'error')
}

const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)

export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line) => void process.stderr.write(line))
  const origin = options.worker === undefined ? {} : { worker: options.worker }
  const wanted = LOG_LEVELS.indexOf(options.level)
  return (event, details = {}) => {
    const level = levelOf(details)
    if (LOG_LEVELS.indexOf(level) > wanted) return
    const { level: _level, ...said } = details
    const rest = { ...origin, ...said }
    const time = new Date().toISOString()
    if (options.format === 'json') write(`${JSON.stringify({ time, level, event, ...rest }, plain)}\n`)
    else write(`${time} ${level} ${event}${Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest, plain)}`}\n`)
  }
}
