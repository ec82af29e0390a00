/** Tables of known size, made through the product's own REST API. */

export interface Target {
  readonly url: string
  readonly port: number
  readonly token: string
}

/** Calls the server once, outside any measurement. */
export async function call(
  target: Target,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${target.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${target.token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`)
  return { status: response.status, text }
}

const columns = (count: number): readonly object[] =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, name: `column_${index + 1}`, type: 'long', required: false }))

export async function createNamespace(target: Target, ...namespace: readonly string[]): Promise<void> {
  await call(target, 'POST', '/v1/lake/namespaces', { namespace })
}

/** A table with that many columns; `padding` bytes of one property bring its metadata to the size wanted. */
export async function createTable(
  target: Target,
  namespace: string,
  name: string,
  columnCount: number,
  padding = 0,
): Promise<string> {
  await call(target, 'POST', `/v1/lake/namespaces/${namespace}/tables`, {
    name,
    schema: { type: 'struct', 'schema-id': 0, fields: columns(columnCount) },
    properties: padding > 0 ? { comment: 'x'.repeat(padding) } : {},
  })
  return `/v1/lake/namespaces/${namespace}/tables/${name}`
}

/** Commits snapshots until the table's metadata is at least `bytes` long: the usual way metadata grows. */
export async function growBySnapshots(target: Target, path: string, bytes: number): Promise<void> {
  for (let sequence = 1; ;) {
    const loaded = await call(target, 'GET', path)
    if (loaded.text.length >= bytes) return
    const location = /"location":"([^"]+)"/.exec(loaded.text)?.[1]
    if (location === undefined) throw new Error('a table without a location')
    const updates: string[] = []
    for (let batch = 0; batch < Math.max(1, Math.floor((bytes - loaded.text.length) / 900)); batch++, sequence++) {
      updates.push(snapshot(location, sequence))
    }
    await call(target, 'POST', path, `{"requirements":[],"updates":[${updates.join(',')}]}`)
  }
}

/** Ids near 2^63 on purpose, as clients draw them; written as text, since a plain number would be rounded. */
function snapshot(location: string, sequence: number): string {
  const id = 9_000_000_000_000_000_000n + BigInt(sequence)
  const summary = {
    operation: 'append',
    'added-data-files': '4',
    'added-records': '1000000',
    'added-files-size': '123456789',
    'changed-partition-count': '4',
    'total-records': String(1_000_000 * sequence),
    'total-files-size': '9876543210',
    'total-data-files': String(4 * sequence),
    'total-delete-files': '0',
    'total-position-deletes': '0',
    'total-equality-deletes': '0',
  }
  const parent = sequence > 1 ? `"parent-snapshot-id":${id - 1n},` : ''
  const fields = `"snapshot-id":${id},${parent}"sequence-number":${sequence},"timestamp-ms":${Date.now()},"schema-id":0`
  const list = `${location}/metadata/snap-${id}-1-8d1f3c52-6c1e-4f0e-9a0e-2b6a2f7a4c11.avro`
  return (
    `{"action":"add-snapshot","snapshot":{${fields},"manifest-list":"${list}","summary":${JSON.stringify(summary)}}},` +
    `{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":${id}}`
  )
}

/** The position of the last change of the catalog. */
export async function headPosition(target: Target): Promise<number> {
  const lines = JSON.parse((await call(target, 'GET', '/api/v1/catalogs/lake/commits')).text) as { position: number }[]
  return lines[0]!.position
}
