/**
 * What an attacker without a credential takes from others: loads by a few clients, alone and beside 620 connections that
 * announce the body of a login and send one byte of it, each of which comes again as soon as it is closed.
 */
import { connect, type Socket } from 'node:net'
import { startServer } from '../test/clients/server.ts'
import { median } from './compare.ts'
import { createNamespace, createTable } from './fixtures.ts'
import { httpRequest, load } from './load.ts'
import { print, rate } from './measure.ts'
import { targetOf } from './scale.ts'

const STALLED = 620
const ROUNDS = 5
const LOADS = { clients: 8, requests: 10_000 }
const SHARE = 0.1

const LOGIN = 'POST /v1/oauth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\ng'

export async function benchAttack(): Promise<void> {
  const server = await startServer({ database: 'sqlite', dist: true })
  const target = targetOf(server)
  await createNamespace(target, 'attack')
  const path = await createTable(target, 'attack', 't', 20)
  const request = httpRequest('GET', path, { Authorization: `Bearer ${target.token}` })
  /** Answered loads a second; refusals are answers, too, and don't count. */
  const loads = async (): Promise<number> => {
    const { statuses, seconds } = await load({ port: target.port, ...LOADS, request: () => request })
    return (statuses.get(200) ?? 0) / seconds
  }
  await loads()
  const rounds: { alone: number; beside: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await loads()
    const end = await attack(target.port)
    rounds.push({ alone, beside: await loads() })
    end()
  }
  const [alone, beside] = [median(rounds.map((round) => round.alone)), median(rounds.map((round) => round.beside))]
  const taken = Math.max(0, 1 - median(rounds.map((round) => round.beside / round.alone)))
  print({
    what: `loads beside ${STALLED} stalled logins`,
    figures: `${rate(beside)} beside ${rate(alone)} without: ${(100 * taken).toFixed(0)} % taken, by no credential`,
    target: { text: `at most ${100 * SHARE} %`, met: taken <= SHARE },
  })
  await server.stop()
}

/** Resolves when all connections stand; each that is closed is made anew. */
async function attack(port: number): Promise<() => void> {
  const sockets = new Set<Socket>()
  let isOver = false
  const open = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(LOGIN, () => resolve()))
      sockets.add(socket)
      socket.resume().on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        resolve()
        if (!isOver) void open()
      })
    })
  await Promise.all(Array.from({ length: STALLED }, open))
  return () => {
    isOver = true
    for (const socket of sockets) socket.destroy()
  }
}
