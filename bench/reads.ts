/** The hot path against the yardstick: loadTable, its cheaper relatives, and 1 MB of metadata. */
import { compare, startBare, type Contender } from './compare.ts'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { benchPages } from './pages.ts'

/** How loads are compared. */
const USUAL = { clients: 8, requests: 50_000, warmUp: 40_000 }
const MEGABYTE = 1_000_000

/** What the bare server answers, and to which request. */
export interface Yardstick {
  readonly bytes: Buffer
  readonly request: Contender['request']
}

/** Returns the yardstick, by which commits are measured too. */
export async function benchReads(target: Target, pid: number): Promise<Yardstick> {
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  const headers = { Authorization: `Bearer ${target.token}`, 'X-Iceberg-Access-Delegation': 'vended-credentials' }
  const ours = (route: string, method = 'GET', extra: Record<string, string> = {}): Contender => ({
    pid,
    port: target.port,
    request: httpRequest(method, route, { ...headers, ...extra }),
  })
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await startBare(bytes, ours(path).request)
  try {
    const loads = await compare(bare, ours(path), USUAL)
    print({ what: `bare node:http, the same ${bytes.length} bytes`, figures: us(loads.base) })
    print({
      what: 'loadTable, warm',
      figures: `${us(loads.contender)}, ${times(loads.ratio)} of bare`,
      target: { text: 'at most 1.5x', met: loads.ratio <= 1.5 },
    })
    const etag = (await fetch(`${target.url}${path}`, { headers })).headers.get('etag') ?? ''
    const others: [string, Contender][] = [
      ['loadTable, snapshots=refs', ours(`${path}?snapshots=refs`)],
      ['loadTable, If-None-Match (304)', ours(path, 'GET', { 'If-None-Match': etag })],
      ['tableExists (HEAD)', ours(path, 'HEAD')],
      ['getConfig', ours('/v1/config?warehouse=lake')],
      ['loadNamespaceMetadata', ours('/v1/lake/namespaces/reads')],
      ['namespaceExists (HEAD)', ours('/v1/lake/namespaces/reads', 'HEAD')],
    ]
    for (const [what, contender] of others) {
      const { contender: cpu, ratio } = await compare(ours(path), contender, USUAL)
      // It drifts by some per cent between two equal runs.
      print({
        what,
        figures: `${us(cpu)}, ${times(ratio)} of loadTable`,
        target: { text: 'at most loadTable', met: ratio <= 1.05 },
      })
    }
    await benchPages(target, pid, { title: 'SQLite', most: 4, clients: USUAL.clients })
    await benchLargeMetadata(target, ours)
    return { bytes, request: bare.request }
  } finally {
    bare.stop()
  }
}

async function benchLargeMetadata(target: Target, ours: (route: string) => Contender): Promise<void> {
  const path = await createTable(target, 'reads', 'large', 20)
  await growBySnapshots(target, path, MEGABYTE)
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await startBare(bytes, ours(path).request)
  const { contender, ratio } = await compare(bare, ours(path), { ...USUAL, requests: 5_000, warmUp: 1_000 }).finally(bare.stop)
  print({
    what: `loadTable, ${(bytes.length / MEGABYTE).toFixed(1)} MB of metadata`,
    figures: `${us(contender)}, ${times(ratio)} of bare with the same bytes`,
    target: { text: 'no parse: at most 1.5x', met: ratio <= 1.5 },
  })
}
