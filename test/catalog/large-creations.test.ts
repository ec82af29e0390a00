/** Large requests that create, and those for views: a thread works, and what comes of it is what would have come of it here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTable } from '../../src/catalog/tables.ts'
import { createView, loadView, replaceView } from '../../src/catalog/views.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { bytesOf, countingThreads, field, ident, rejects, schema } from './large.ts'
import { open } from './setup.ts'

const wideSchema = (columns: number) => ({
  type: 'struct' as const,
  fields: Array.from({ length: columns }, (_, n) => field(n + 1)),
})
const version = (sql: string) => ({
  'version-id': 1,
  'timestamp-ms': 1_700_000_000_000,
  'schema-id': 0,
  summary: {},
  representations: [{ type: 'sql', sql, dialect: 'spark' }],
  'default-namespace': ['ns'],
})
type Body = Record<string, any> // oxlint-disable-line typescript/no-explicit-any -- tests look into answers freely
const bodyOf = (answer: { readonly body: Uint8Array | undefined }): Body => parse(answer.body!) as Body

/** The same but for what is drawn for each. */
function withoutDrawn(body: Body): string {
  const text = stringify(body)
  const { 'table-uuid': table, 'view-uuid': view } = body['metadata'] as Record<string, string>
  return text
    .replaceAll(table ?? view ?? '', 'uuid')
    .replaceAll(/\b(small|large)\b/g, 'name')
    .replaceAll(/0000\d-[-0-9a-f]{36}/g, 'file')
    .replaceAll(/name-[0-9a-f]{8}\b/g, 'name')
    .replaceAll(/"(timestamp-ms|last-updated-ms)":\d+/g, '"$1":0')
}

const CREATIONS = [
  { what: 'a table', kind: 'table', request: { schema: wideSchema(50), properties: { a: 'b' } }, code: undefined },
  { what: 'a staged table', kind: 'table', request: { schema: wideSchema(50), 'stage-create': true }, code: undefined },
  {
    what: 'a table with a spec and an order',
    kind: 'table',
    request: {
      schema: wideSchema(3),
      'partition-spec': { 'spec-id': 0, fields: [{ 'source-id': 1, transform: 'identity', name: 'p' }] },
      'write-order': {
        'order-id': 1,
        fields: [{ 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
      },
    },
    code: undefined,
  },
  { what: 'a table elsewhere', kind: 'table', request: { schema: wideSchema(3), location: 's3://elsewhere/x' }, code: 400 },
  {
    what: 'a table with files elsewhere',
    kind: 'table',
    request: { schema: wideSchema(3), properties: { 'write.data.path': 's3://elsewhere/x' } },
    code: 400,
  },
  { what: 'a table with a faulty schema', kind: 'table', request: { schema: { type: 'struct', fields: [{}] } }, code: 400 },
  { what: 'a table without a schema', kind: 'table', request: {}, code: 400 },
  { what: 'a table of too many columns', kind: 'table', request: { schema: wideSchema(10_001) }, code: 400 },
  {
    what: 'a view',
    kind: 'view',
    request: { schema: wideSchema(5), 'view-version': version('select 1'), properties: {} },
    code: undefined,
  },
  { what: 'a view without a version', kind: 'view', request: { schema: wideSchema(5), properties: {} }, code: 400 },
] as const

for (const { what, kind, request, code } of CREATIONS) {
  test(`a large request to create ${what} does what a small one does`, async (t) => {
    const { asked, threads } = countingThreads()
    const { context, call } = await open(t, { threads })
    const create = (kind === 'table' ? createTable : createView) as typeof createTable
    const outcome = async (name: string, isLarge: boolean) => {
      const body = { name, ...request } as unknown as Parameters<typeof createTable>[3]
      asked.length = 0
      const answer = await create(context, call, ['ns'], isLarge ? bytesOf(body) : body).catch((error: unknown) => error)
      return answer instanceof Error ? answer : withoutDrawn(bodyOf(answer as { body: Uint8Array }))
    }
    // Small ones come through `decode`, which is part of the thread's work.
    const isShapeless = what.includes('without')
    const small = isShapeless ? undefined : await outcome('small', false)
    assert.deepEqual(asked, [])
    const large = await outcome('large', true)
    assert.equal(asked[0], 'readCreation')
    if (code !== undefined) assert.equal((large as { code?: number }).code, code)
    else assert.deepEqual(asked, ['readCreation', 'create'])
    if (isShapeless) return
    if (large instanceof Error) assert.equal(large.message, (small as Error).message)
    else assert.equal(large, small)
  })
}

test('a repetition of a large request to create is answered as the first', async (t) => {
  const { context, call } = await open(t)
  for (const staged of [false, true]) {
    const name = `t${staged}`
    const key = `01920000-0000-7000-8000-00000000000${staged ? 1 : 0}`
    const again = { ...call, idempotency: { key, fingerprint: 'f' } }
    const request = bytesOf({ name, schema: wideSchema(4000), 'stage-create': staged })
    const first = await createTable(context, again, ['ns'], request)
    const second = await createTable(context, again, ['ns'], request)
    assert.ok(Buffer.from(first.body!).equals(second.body!))
  }
})

test('a large commit to a view, or to a large view, does what a small one does', async (t) => {
  const { asked, threads } = countingThreads()
  const { context, call } = await open(t, { threads })
  for (const name of ['small', 'large'])
    await createView(context, call, ['ns'], { name, schema, 'view-version': version('select 1'), properties: {} })
  const updates = [
    { action: 'set-properties', updates: { a: 'b' } },
    { action: 'add-view-version', 'view-version': { ...version('select 2'), 'version-id': 2 } },
    { action: 'set-current-view-version', 'view-version-id': -1 },
  ]
  const small = await replaceView(context, call, ident('small'), { requirements: [], updates })
  assert.deepEqual(asked, [])
  const large = await replaceView(context, call, ident('large'), bytesOf({ requirements: [], updates }))
  assert.deepEqual(asked, ['commitToView'])
  assert.equal(withoutDrawn(bodyOf(large)), withoutDrawn(bodyOf(small)))
  const again = await replaceView(context, call, ident('large'), bytesOf({ updates }))
  assert.equal(again.etag, large.etag, 'what changes nothing writes nothing')
  const commit = (request: object, name = 'large') => replaceView(context, call, ident(name), bytesOf(request))
  await assert.rejects(commit({ updates: [{ action: 'fly' }] }), rejects(400, /unknown action fly/))
  await assert.rejects(commit({ updates: 7 }), rejects(400, /updates/))
  await assert.rejects(commit({ updates }, 'none'), rejects(404, /View does not exist: ns\.none/))
  await assert.rejects(
    commit({ updates: [{ action: 'set-location', location: 's3://elsewhere/x' }] }),
    rejects(400, /allowed locations/),
  )
  const requirements = [{ type: 'assert-view-uuid', uuid: '11111111-2222-4333-8444-555555555555' }]
  await assert.rejects(commit({ requirements, updates }), rejects(409, /view UUID does not match/))
  const sql = 'x'.repeat(300_000)
  const grown = [{ action: 'set-properties', updates: { comment: sql } }]
  await commit({ updates: grown })
  asked.length = 0
  await replaceView(context, call, ident('large'), { updates: [{ action: 'remove-properties', removals: ['a'] }] })
  assert.deepEqual(asked, ['commitToView'])
  assert.equal(bodyOf(await loadView(context, call, ident('large')))['metadata'].properties['comment'], sql)
})
