/** A page of names against the yardstick: one in the middle of a listing, so that its token is checked and another one made. */
import { compare, startBare, type Contender } from './compare.ts'
import { call, createNamespace, createTable, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'

const NAMES = 64
const TABLES = 3 * NAMES
const LISTING = '/v1/lake/namespaces/pages/tables'

/** As loads are compared: with a client that never sleeps, in turn with a bare server that answers the same bytes. */
export async function benchPages(
  target: Target,
  pid: number,
  { title, most, clients }: { readonly title: string; readonly most: number; readonly clients: number },
): Promise<void> {
  await createNamespace(target, 'pages')
  for (let n = 0; n < TABLES; n++) await createTable(target, 'pages', `table_${String(n).padStart(4, '0')}`, 2)
  const page = (token: string): string => `${LISTING}?pageToken=${token}&pageSize=${NAMES}`
  const first = JSON.parse((await call(target, 'GET', page(''))).text) as { 'next-page-token': string }
  const path = page(first['next-page-token'])
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const request = httpRequest('GET', path, { Authorization: `Bearer ${target.token}` })
  const ours: Contender = { pid, port: target.port, request }
  const bare = await startBare(bytes, request)
  const options = { clients, requests: 10_000, warmUp: 10_000 }
  const { base, contender, ratio } = await compare(bare, ours, options).finally(bare.stop)
  print({
    what: `page of ${NAMES} names, ${title}`,
    figures: `${us(contender)}, ${times(ratio)} of bare (${us(base)}, ${bytes.length} bytes)`,
    target: { text: `at most ${most}x`, met: ratio <= most },
  })
}
