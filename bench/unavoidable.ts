/**
 * A commit against the two writes that it can't do without, made by this process in turn with it: a durable metadata file of
 * the same size, then one transaction of the same two statements on rows like those of the commit, sent as one message on a
 * connection that does nothing else.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalLocation } from '../src/iceberg/location.ts'
import { openFileStore } from '../src/storage/file.ts'
import { connect, type Item } from '../src/stores/sql/postgres-connection.ts'
import { median } from './compare.ts'
import { call, createNamespace, createTable, type Target } from './fixtures.ts'
import { Connection, httpRequest } from './load.ts'
import { print, times } from './measure.ts'

const WARM_UP = 200
const COMMITS = 1_000

export async function benchUnavoidable(target: Target, databaseUrl: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-bench-'))
  const client = await Connection.open(target.port)
  try {
    await createNamespace(target, 'commits')
    const path = await createTable(target, 'commits', 'one', 20)
    const commit = async (n: number): Promise<void> => {
      const body = JSON.stringify({ requirements: [], updates: [{ action: 'set-properties', updates: { n: String(n) } }] })
      const request = httpRequest('POST', path, { Authorization: `Bearer ${target.token}` }, body)
      const { status, text } = await client.exchange(request)
      if (status !== 200) throw new Error(`a commit: ${status} ${text}`)
    }
    // Until the log of metadata files has its full length.
    for (let n = 0; n < WARM_UP; n++) await commit(n)
    const plain = await plainWrites(databaseUrl, folder, Buffer.from((await call(target, 'GET', path)).text))
    for (let n = 0; n < WARM_UP; n++) await plain.write()
    const [base, ours]: [number[], number[]] = [[], []]
    for (let n = 0; n < COMMITS; n++) {
      base.push(await milliseconds(plain.write))
      ours.push(await milliseconds(() => commit(WARM_UP + n)))
    }
    await plain.close()
    const ratio = median(ours) / median(base)
    print({
      what: 'updateTable on PostgreSQL, 1 client',
      figures: `${median(ours).toFixed(2)} ms, ${times(ratio)} its two unavoidable writes (${median(base).toFixed(2)} ms)`,
      target: { text: 'at most 1.5x', met: ratio <= 1.5 },
    })
  } finally {
    client.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function milliseconds(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

const item = (sql: string, ...parameters: Item['parameters']): Item => ({ name: sql.split(' ', 1)[0] ?? '', sql, parameters })

async function plainWrites(
  url: string,
  folder: string,
  bytes: Uint8Array,
): Promise<{ write: () => Promise<void>; close: () => Promise<void> }> {
  const connection = await connect({ url, connectTimeoutMs: 10_000, statementTimeoutMs: 10_000 })
  const files = openFileStore(canonicalLocation(`file://${folder}`))
  // Rows like those of the server's commits, of a tenant that does not exist.
  const tenant = randomUUID()
  await connection.simple(`
    insert into "entries" select (jsonb_populate_record("entries", jsonb_build_object('tenant_id', '${tenant}', 'version', 0))).*
      from "entries" where "name" = 'one'`)
  const [[operations, message] = []] = await connection.simple(
    'select "operations", "message" from "commits" order by "id" desc limit 1',
  )
  let version = 0
  const write = async (): Promise<void> => {
    const file = `file://${folder}/metadata/${randomUUID()}.metadata.json`
    await files.create(canonicalLocation(file), bytes)
    const outcome = await connection.run([
      item('begin'),
      item(
        'update "entries" set "metadata_location" = $1, "updated_at" = $2, "version" = $3 where "tenant_id" = $4 and "version" = $5',
        file,
        Date.now(),
        ++version,
        tenant,
        version - 1,
      ),
      item(
        `insert into "commits" ("tenant_id", "catalog_id", "branch", "id", "timestamp_ms", "author", "message", "operations", "version")
          values ($1, 'c', 'main', $2, $3, 'bench', $4, $5, 1)`,
        tenant,
        randomUUID(),
        Date.now(),
        message ?? '',
        operations ?? '[]',
      ),
      item('commit'),
    ])
    if (outcome.kind !== 'done' || outcome.replies[1]?.tag !== 'UPDATE 1') throw new Error(`a plain write: ${outcome.kind}`)
  }
  const close = (): Promise<void> => {
    connection.close()
    return files.close()
  }
  return { write, close }
}
