/**
 * Requests with `null` where the REST specification has an optional field, one field at a time. What a client does not use
 * it leaves out, or sends as null; those that the reference implementation takes so are taken.
 */
export interface NullRequest {
  /** The field. */
  readonly what: string
  readonly path: string
  readonly body: object
}

export interface Places {
  readonly namespace: string
  /** A table of format version 3 without snapshots. */
  readonly table: string
  readonly view: string
  /** For the files of the table: without a slash at its end. */
  readonly location: string
}

const SCHEMA = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'ts', required: false, type: 'timestamp' },
  ],
}
export const NEW_TABLE = { schema: SCHEMA, properties: { 'format-version': '3' } }
export const NEW_VIEW = {
  schema: SCHEMA,
  'view-version': {
    'version-id': 1,
    'timestamp-ms': 1_700_000_000_000,
    'schema-id': 0,
    summary: {},
    representations: [{ type: 'sql', sql: 'select 1', dialect: 'spark' }],
    'default-namespace': ['n'],
  },
  properties: {},
}

/** The bodies of one request, each with one of the fields as null. */
const each = (body: object, ...fields: readonly string[]): [string, object][] =>
  fields.map((field) => [field, { ...body, [field]: null }])

function creations({ namespace }: Places): NullRequest[] {
  const column = (fields: object) => ({ ...SCHEMA, fields: [{ id: 1, name: 'id', required: false, type: 'long', ...fields }] })
  const field = { name: 'p', transform: 'identity', 'source-id': 1 }
  const bodies: [string, object][] = [
    ...each(NEW_TABLE, 'location', 'partition-spec', 'write-order', 'properties', 'stage-create'),
    ...each(SCHEMA, 'schema-id', 'identifier-field-ids').map(([what, schema]): [string, object] => [
      what,
      { ...NEW_TABLE, schema },
    ]),
    ['doc', { ...NEW_TABLE, schema: column({ doc: null }) }],
    ['initial-default', { ...NEW_TABLE, schema: column({ 'initial-default': null }) }],
    ['write-default', { ...NEW_TABLE, schema: column({ 'write-default': null }) }],
    ['spec-id', { ...NEW_TABLE, 'partition-spec': { 'spec-id': null, fields: [field] } }],
    ['field-id', { ...NEW_TABLE, 'partition-spec': { 'spec-id': 0, fields: [{ ...field, 'field-id': null }] } }],
    ['source-ids', { ...NEW_TABLE, 'partition-spec': { 'spec-id': 0, fields: [{ ...field, 'source-ids': null }] } }],
  ]
  const version = (fields: object) => ({ ...NEW_VIEW, 'view-version': { ...NEW_VIEW['view-version'], ...fields } })
  const views: [string, object][] = [
    ...each(NEW_VIEW, 'location', 'properties'),
    ['default-catalog', version({ 'default-catalog': null })],
  ]
  const made =
    (kind: string) =>
    ([what, body]: [string, object], index: number): NullRequest => ({
      what: `${what} of a new ${kind}`,
      path: `namespaces/${namespace}/${kind}s`,
      body: { name: `null_${kind}_${index}`, ...body },
    })
  return [...bodies.map(made('table')), ...views.map(made('view'))]
}

/** The optional fields of updates and requirements. */
function updates({ location }: Places): [string, object[], object[]?][] {
  const snapshot = {
    'snapshot-id': 1,
    'sequence-number': 1,
    'timestamp-ms': Date.now(),
    'manifest-list': `${location}/snap-1.avro`,
    summary: { operation: 'append' },
    'schema-id': 0,
    'first-row-id': 0,
    'added-rows': 0,
  }
  const add = (id: number, fields: object) => ({
    action: 'add-snapshot',
    snapshot: { ...snapshot, 'snapshot-id': id, 'sequence-number': id, ...fields },
  })
  const ref = { action: 'set-snapshot-ref', 'ref-name': 'b', type: 'branch', 'snapshot-id': 10 }
  const file = {
    'snapshot-id': 10,
    'statistics-path': `${location}/s.puffin`,
    'file-size-in-bytes': 1,
    'file-footer-size-in-bytes': 1,
    'blob-metadata': [{ type: 't', 'snapshot-id': 10, 'sequence-number': 10, fields: [], properties: null }],
  }
  const key = { 'key-id': 'k', 'encrypted-key-metadata': 'bWV0YWRhdGE=' }
  return [
    ['last-column-id', [{ action: 'add-schema', schema: SCHEMA, 'last-column-id': null }]],
    ['parent-snapshot-id', [add(10, { 'parent-snapshot-id': null })]],
    ['schema-id of a snapshot', [add(11, { 'schema-id': null })]],
    ['key-id', [add(12, { 'key-id': null })]],
    ['manifests', [add(13, { manifests: null })]],
    ['min-snapshots-to-keep', [{ ...ref, 'min-snapshots-to-keep': null }]],
    ['max-snapshot-age-ms', [{ ...ref, 'ref-name': 'c', 'max-snapshot-age-ms': null }]],
    ['max-ref-age-ms', [{ ...ref, 'ref-name': 'd', type: 'tag', 'max-ref-age-ms': null }]],
    [
      'snapshot-id of statistics',
      [{ action: 'set-statistics', 'snapshot-id': null, statistics: { ...file, 'blob-metadata': [] } }],
    ],
    ['properties of a blob', [{ action: 'set-statistics', statistics: file }]],
    ['encrypted-by-id', [{ action: 'add-encryption-key', 'encryption-key': { ...key, 'encrypted-by-id': null } }]],
    ['properties of a key', [{ action: 'add-encryption-key', 'encryption-key': { ...key, 'key-id': 'l', properties: null } }]],
    ['the snapshot of a requirement', [], [{ type: 'assert-ref-snapshot-id', ref: 'absent', 'snapshot-id': null }]],
  ]
}

function commits(places: Places): NullRequest[] {
  const { namespace, table, view } = places
  const [tablePath, viewPath] = [`namespaces/${namespace}/tables/${table}`, `namespaces/${namespace}/views/${view}`]
  const set = { action: 'set-properties', updates: { a: 'b' } }
  const identifier = { namespace: [namespace], name: table }
  const transaction = (change: object) => ({ 'table-changes': [{ identifier, ...change }] })
  const whole = { requirements: [], updates: [set] }
  return [
    ...[tablePath, viewPath].flatMap((path) => [
      ...each(
        { identifier: path === tablePath ? identifier : { ...identifier, name: view }, ...whole },
        'identifier',
        'requirements',
        'updates',
      ).map(([what, body]): NullRequest => ({ what: `${what} of a commit to ${path}`, path, body })),
      { what: `no requirements of a commit to ${path}`, path, body: { updates: [set] } },
      { what: `no updates of a commit to ${path}`, path, body: { requirements: [] } },
      { what: `nothing at all of a commit to ${path}`, path, body: {} },
    ]),
    ...each(whole, 'requirements', 'updates').map(([what, body]): NullRequest => ({
      what: `${what} of a transaction`,
      path: 'transactions/commit',
      body: transaction(body),
    })),
    { what: 'neither of a transaction', path: 'transactions/commit', body: transaction({}) },
    ...updates(places).map(([what, list, requirements = []]) => ({
      what,
      path: tablePath,
      body: { requirements, updates: list },
    })),
  ]
}

/** In an order in which each can succeed. */
export function nullRequests(places: Places): NullRequest[] {
  const { namespace } = places
  const properties = `namespaces/${namespace}/properties`
  return [
    { what: 'properties of a new namespace', path: 'namespaces', body: { namespace: ['of_null'], properties: null } },
    { what: 'removals', path: properties, body: { removals: null, updates: { a: 'b' } } },
    { what: 'updates', path: properties, body: { removals: ['a'], updates: null } },
    { what: 'removals and updates', path: properties, body: { removals: null, updates: null } },
    ...creations(places),
    ...commits(places),
  ]
}
