/** Memory under readers who do not read: 36 loads of one table whose metadata is larger than the cache of documents takes. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startServer } from '../test/clients/server.ts'
import { call, createNamespace, createTable, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print } from './measure.ts'
import { residentMegabytes } from './process.ts'
import { targetOf } from './scale.ts'

const READERS = 36
const PIECES = 10
const PIECE_BYTES = 4_000_000
const STALL_SECONDS = 5

export async function benchReaders(): Promise<void> {
  const env = { PANGOLIN_STALL_TIMEOUT_SECS: String(STALL_SECONDS) }
  const server = await startServer({ database: 'sqlite', dist: true, env })
  const target = targetOf(server)
  const path = await grownTable(target)
  const size = (await call(target, 'GET', path)).text.length
  const before = residentMegabytes(server.pid)
  const sockets: Socket[] = []
  const request = httpRequest('GET', path, { Authorization: `Bearer ${target.token}` })
  for (let reader = 0; reader < READERS; reader++) {
    sockets.push(await stalledReader(target.port, request))
    await sleep(50)
  }
  let most = 0
  for (let second = 0; second < STALL_SECONDS * 2 + 4; second++) {
    most = Math.max(most, residentMegabytes(server.pid))
    await sleep(1000)
  }
  for (const socket of sockets) socket.resume()
  await sleep(1000)
  const open = sockets.filter(({ closed }) => !closed).length
  for (const socket of sockets) socket.destroy()
  const megabytes = size / 1e6
  // Its bytes, those of the file that they were made of, and what the collector has not looked at yet.
  const allowed = 4 * megabytes
  print({
    what: `${READERS} readers of ${megabytes.toFixed(0)} MB who do not read`,
    figures: `${(most - before).toFixed(0)} MB more than ${before.toFixed(0)} MB; ${open} open after ${STALL_SECONDS * 2 + 4} s with a limit of ${STALL_SECONDS} s`,
    target: { text: `at most ${allowed.toFixed(0)} MB, none open`, met: most - before <= allowed && open === 0 },
  })
  await server.stop()
}

async function grownTable(target: Target): Promise<string> {
  await createNamespace(target, 'readers')
  const path = await createTable(target, 'readers', 't', 20)
  for (let piece = 0; piece < PIECES; piece++) {
    const values = Array.from({ length: PIECE_BYTES / 50_000 }, (_, at) => [`p${piece}-${at}`, 'x'.repeat(50_000)])
    const updates = [{ action: 'set-properties', updates: Object.fromEntries(values) as Record<string, string> }]
    await call(target, 'POST', path, { requirements: [], updates })
  }
  return path
}

function stalledReader(port: number, request: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request, () => resolve(socket)))
    socket.pause().on('error', reject)
  })
}
