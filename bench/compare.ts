/** Two servers that get the same load in turn, and the yardstick that most are compared with: a bare `node:http` server. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure } from './measure.ts'

/** Many and short: what else the machine does then befalls both alike. */
const ROUNDS = 25

export interface Contender {
  readonly pid: number
  readonly port: number
  /** The same every time, or made for a client's n-th. */
  readonly request: Buffer | ((client: number, n: number) => Buffer)
}

export interface Comparison {
  /** CPU per request, the median of all rounds. */
  readonly base: number
  readonly contender: number
  /** The median of the rounds' ratios: the two are measured in turn, since the machine's speed drifts. */
  readonly ratio: number
}

export interface ComparisonOptions {
  readonly clients: number
  /** In all rounds, of each. */
  readonly requests: number
  readonly warmUp: number
  /** Of the one that is compared, where it takes much longer. */
  readonly contenderRequests?: number
  /** Whether clients never sleep (see `LoadOptions`). */
  readonly isAwake?: boolean
}

export async function compare(
  base: Contender,
  contender: Contender,
  { clients, requests, warmUp, contenderRequests = requests, isAwake = true }: ComparisonOptions,
): Promise<Comparison> {
  const one = async ({ pid, port, request }: Contender, count: number): Promise<number> => {
    const make = typeof request === 'function' ? request : () => request
    return (await measure(pid, { port, clients, requests: count, request: make, isAwake }, 0)).cpuMicrosecondsPerRequest
  }
  await one(base, warmUp)
  await one(contender, warmUp)
  const rounds: { base: number; contender: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      base: await one(base, Math.ceil(requests / ROUNDS)),
      contender: await one(contender, Math.ceil(contenderRequests / ROUNDS)),
    })
  }
  return {
    base: median(rounds.map((round) => round.base)),
    contender: median(rounds.map((round) => round.contender)),
    ratio: median(rounds.map((round) => round.contender / round.base)),
  }
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** It is sent the very request that the product is sent, and answers the same bytes. */
export async function startBare(bytes: Buffer, request: Contender['request']): Promise<Contender & { stop: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-bench-'))
  const file = join(folder, 'body.json')
  writeFileSync(file, bytes)
  const { pid, port, stop } = await startProgram('bare.ts', file)
  const end = (): void => {
    stop()
    rmSync(folder, { recursive: true })
  }
  return { pid, port, request, stop: end }
}

/** A server of this folder that prints its port. */
export async function startProgram(
  name: string,
  ...args: readonly string[]
): Promise<{ readonly pid: number; readonly port: number; readonly stop: () => void }> {
  const child = spawn(process.execPath, [new URL(`./${name}`, import.meta.url).pathname, ...args], {
    // It ends with its standard input: with this process, however that ends.
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const port = await firstNumber(child)
  return { pid: child.pid ?? 0, port, stop: () => void child.kill() }
}

function firstNumber(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)))
    child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
  })
}
