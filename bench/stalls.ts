/**
 * How long others wait while the server works on one request of a kind, as somebody sees who asks for something trivial
 * again and again meanwhile. Beside it the same while nothing else is asked, which is what machine and bench cost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import { Connection, httpRequest } from './load.ts'
import { print } from './measure.ts'

const PING = httpRequest('GET', '/health/live', {})
const MOST_MS = 50
const TRIES = 3

/** The longest wait for a trivial answer until the work is done. */
async function longestWait(target: Target, work: () => Promise<unknown>): Promise<number> {
  const connection = await Connection.open(target.port)
  let longest = 0
  const state = { isOver: false }
  const done = work().finally(() => (state.isOver = true))
  while (!state.isOver) {
    const sentAt = performance.now()
    await connection.exchange(PING)
    longest = Math.max(longest, performance.now() - sentAt)
    await sleep(0)
  }
  await done
  connection.close()
  return longest
}

const field = (id: number) => ({ id, name: `column_${id}`, required: false, type: 'string' })
const schema = (columns: number) => ({ type: 'struct', fields: Array.from({ length: columns }, (_, n) => field(n + 1)) })
const properties = (count: number, start: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${start}-${n}`, '']))

export async function benchStalls(target: Target): Promise<void> {
  await createNamespace(target, 'stalls')
  const wide = await createTable(target, 'stalls', 'wide', 20)
  const tables = wide.slice(0, wide.lastIndexOf('/'))
  const headers = { Authorization: `Bearer ${target.token}` }
  const post = (path: string, body: object) => httpRequest('POST', path, headers, JSON.stringify(body))
  const commit = (updates: readonly object[]) => post(wide, { requirements: [], updates })
  const addSchemas = (first: number) =>
    commit(Array.from({ length: 50 }, (_, n) => ({ action: 'add-schema', schema: schema(3000 + first + n) })))
  const kinds: readonly (readonly [what: string, requests: readonly Buffer[]])[] = [
    ['a report of metrics that is too large', [post(`${wide}/metrics`, { 'report-type': 'x', text: 'x'.repeat(8_000_000) })]],
    ['a table of ten thousand columns', [post(tables, { name: 'columns', schema: schema(10_000) })]],
    [
      'a commit of 9 times 99,000 properties',
      [commit(Array.from('abcdefghi').map((start) => ({ action: 'set-properties', updates: properties(99_000, start) })))],
    ],
    ['commits of 10 MB of schemas', [addSchemas(0), addSchemas(50)]],
    ['a small commit to that table', [commit([{ action: 'set-properties', updates: { a: 'b' } }])]],
    ['a load of that table', [httpRequest('GET', wide, headers)]],
    ['a load of that table, snapshots=refs', [httpRequest('GET', `${wide}?snapshots=refs`, headers)]],
  ]
  const idle = await longestWait(target, () => sleep(1000))
  print({ what: 'longest wait of others, nothing else asked', figures: `${idle.toFixed(0)} ms` })
  for (const [what, requests] of kinds) {
    const waits: number[] = []
    for (let n = 0; n < TRIES; n++) {
      waits.push(
        await longestWait(target, async () => {
          const connection = await Connection.open(target.port)
          // A refusal closes the connection under a body that is still being sent.
          for (const request of requests) await connection.exchange(request).catch(() => undefined)
          connection.close()
        }),
      )
    }
    const [least, median] = waits.toSorted((a, b) => a - b) as [number, number]
    print({
      what: `longest wait of others, ${what}`,
      figures: `${median.toFixed(0)} ms in the median of ${TRIES}, ${least.toFixed(0)} at least`,
      target: { text: `at most ${MOST_MS} ms`, met: least <= MOST_MS },
    })
  }
}
