/** The process: settings in, server up, banner out; signals stop it. Or one of the operator's tools. */
import { banner, help } from './cli/banner.ts'
import { loadSettings, SettingsError } from './config.ts'
import { openWarehouses, rekeyParts, startApp } from './app.ts'
import { createLog, type Log } from './log.ts'
import { describe } from './http/errors.ts'
import { isWorker, supervise, tellListening, WorkerFailed, workerId } from './workers.ts'

/** A second signal within this time is the first one's echo (a terminal signals parent and child alike). */
const ECHO_MS = 1000

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === 'store') {
    // What a server does not need is loaded when it is asked for.
    const { storeCommand } = await import('./cli/store.ts')
    process.exitCode = await storeCommand(args.slice(1), { environment: process.env, openWarehouses, rekeyParts })
    return
  }
  if (args[0] === 'audit') {
    const { auditCommand } = await import('./cli/audit.ts')
    process.exitCode = await auditCommand(args.slice(1), { environment: process.env })
    return
  }
  if (args[0] === 'admin') {
    const { adminCommand } = await import('./cli/admin.ts')
    process.exitCode = await adminCommand(args.slice(1), { environment: process.env })
    return
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help())
    return
  }
  if (args.length > 0) throw new SettingsError(`Unknown argument ${JSON.stringify(args[0])}; see --help`)
  const settings = loadSettings(process.env)
  // The reader of the banner and the log may end (`| head`); the server does not end with them.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const options = { format: settings.logFormat, level: settings.logLevel }
  if (isWorker()) {
    const log = createLog({ ...options, worker: workerId() })
    const app = await startApp(settings, log)
    stopOnSignals(app, log)
    tellListening(app)
    return
  }
  const log = createLog(options)
  if (settings.workers === 1) {
    const app = await startApp(settings, log)
    process.stdout.write(banner(app, settings))
    stopOnSignals(app, log)
    return
  }
  const supervisor = await supervise(settings, log)
  process.stdout.write(banner(supervisor.app, settings))
  stopOnSignals(supervisor, log)
}

function stopOnSignals(running: { close(): Promise<void> }, log: Log): void {
  let stoppingSince: number | undefined
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > ECHO_MS) process.exit(signal === 'SIGINT' ? 130 : 143)
      return
    }
    stoppingSince = performance.now()
    log('stopping', { signal })
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log('stopping failed', { error: describe(error) })
        process.exit(1)
      },
    )
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // A worker has said it already.
  if (error instanceof WorkerFailed) process.exit(error.code)
  const text =
    error instanceof SettingsError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`pangolin: ${text}\n`)
  process.exit(1)
})
