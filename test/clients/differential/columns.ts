/** Random schemas, partition specs and sort orders: mostly valid, and some in exactly one way not. */
import type { Random } from './random.ts'

/** Metadata as JSON: these tests take what comes. */
// oxlint-disable-next-line no-explicit-any -- documents of any shape are the subject here
export type Json = { [key: string]: any }

const PRIMITIVES = 'boolean int long float double date time timestamp timestamptz string uuid binary'.split(' ')
const PRIMITIVES_V3 = ['timestamp_ns', 'timestamptz_ns', 'variant', 'geometry', 'geography', 'unknown']

interface Ids {
  next: number
}

function primitive(random: Random, version: number): string {
  return random.weighted([
    [12, () => random.pick(PRIMITIVES)],
    [2, () => `decimal(${9 + random.int(20)}, ${random.int(9)})`],
    [1, () => `fixed[${1 + random.int(32)}]`],
    [version >= 3 ? 3 : 0.05, () => random.pick(PRIMITIVES_V3)],
  ])
}

function type(random: Random, version: number, ids: Ids, depth: number): unknown {
  if (depth === 0 || random.chance(0.75)) return primitive(random, version)
  return random.weighted<unknown>([
    [1, () => ({ type: 'struct', fields: fields(random, version, ids, depth - 1, 1 + random.int(3)) })],
    [
      1,
      () => {
        const id = ids.next++
        return { type: 'list', 'element-id': id, 'element-required': false, element: type(random, version, ids, depth - 1) }
      },
    ],
    [
      1,
      () => {
        const [key, value] = [ids.next++, ids.next++]
        const values = type(random, version, ids, depth - 1)
        return {
          type: 'map',
          'key-id': key,
          key: random.pick(['string', 'int', 'long']),
          'value-id': value,
          'value-required': false,
          value: values,
        }
      },
    ],
  ])
}

export function fields(random: Random, version: number, ids: Ids, depth: number, count: number): Json[] {
  return Array.from({ length: count }, () => {
    const id = ids.next++
    const kind = type(random, version, ids, depth)
    const field: Json = {
      id,
      name: `${random.pick(['a', 'b', 'größe', 'Ω'])}${id}`,
      required: kind !== 'unknown' && random.chance(0.3),
      type: kind,
    }
    if (random.chance(0.2)) field['doc'] = random.pick(['', 'a "doc"', '🤪'])
    if (version >= 3 && kind === 'int' && random.chance(0.4)) {
      field['write-default'] = random.int(100)
      field['initial-default'] = random.int(100)
    }
    return field
  })
}

/** For a create request: the ids are anything, the server assigns them anew. */
export function newSchema(random: Random, version: number): Json {
  const columns = fields(random, version, { next: 1 + random.int(5) }, 2, 1 + random.int(5))
  const keys = columns.filter((field) => field['required'] && ['int', 'long', 'string', 'uuid', 'date'].includes(field['type']))
  return {
    type: 'struct',
    'schema-id': random.int(3),
    fields: columns,
    ...(random.chance(0.3) && keys.length > 0 ? { 'identifier-field-ids': [keys[0]!['id']] } : {}),
  }
}

export const currentSchema = (table: Json): Json =>
  table['schemas'].find((schema: Json) => schema['schema-id'] === table['current-schema-id'])

/** The columns that a partition field or a sort field can have as source, with their paths. */
export function primitives(schema: Json): Json[] {
  const inStruct = (struct: Json): Json[] =>
    struct['fields'].flatMap((field: Json) => {
      if (typeof field['type'] === 'string') return [field]
      return field['type'].type === 'struct' ? inStruct(field['type']) : []
    })
  return inStruct(schema).filter((field) => !['variant', 'geometry', 'geography', 'unknown'].includes(field['type']))
}

const PROMOTIONS = new Map([
  ['int', 'long'],
  ['float', 'double'],
])

/** Of the specs and orders of a table, those fields that pass. */
function layoutFields(table: Json, passes: (item: Json) => boolean): Json[] {
  return [...table['partition-specs'], ...table['sort-orders']].filter(passes).flatMap((item: Json) => item['fields'])
}

const isDefault =
  (table: Json) =>
  (item: Json): boolean =>
    item['spec-id'] === table['default-spec-id'] || item['order-id'] === table['default-sort-order-id']

/** The columns with one named as a partition field of any spec is: its own source, another column, or a new one. */
function collided(random: Random, table: Json, columns: Json[]): Json[] {
  const former = layoutFields(table, (item) => item['spec-id'] !== undefined && item['spec-id'] !== table['default-spec-id'])
  const names = former.length > 0 && random.chance(0.8) ? former : layoutFields(table, (item) => item['spec-id'] !== undefined)
  if (names.length === 0 || columns.length === 0) return columns
  const { name, 'source-id': source } = random.pick(names)
  if (random.chance(0.3)) return [...columns, { id: table['last-column-id'] + 50, name, required: false, type: 'int' }]
  const renamed = random.chance(0.5) ? source : random.pick(columns)['id']
  return columns.map((field) => (field['id'] === renamed ? { ...field, name } : field))
}

/** The columns with the source of a spec or order retyped, as a replacement of the table may do. */
function retyped(random: Random, table: Json, columns: Json[]): Json[] {
  const sources = layoutFields(table, () => true).map((field) => field['source-id'])
  if (sources.length === 0) return columns
  const id = random.pick(sources)
  const type = random.pick(['date', 'timestamp', 'long', 'string', 'double', 'boolean', 'decimal(9, 2)', 'uuid'])
  return columns.map((field) =>
    field['id'] === id ? { ...field, type, 'initial-default': undefined, 'write-default': undefined } : field,
  )
}

/** The current schema with a change or two, as a client evolves it. */
export function evolvedSchema(random: Random, table: Json, version: number): Json {
  const schema = currentSchema(table)
  const kept = random.chance(0.5) ? () => true : isDefault(table)
  const used = new Set(layoutFields(table, kept).map((field) => field['source-id']))
  const keys: number[] = schema['identifier-field-ids'] ?? []
  let columns: Json[] = schema['fields'].map((field: Json) => ({ ...field }))
  for (let changes = 1 + random.int(2); changes > 0; changes--) {
    columns = random.weighted<Json[]>([
      [
        5,
        () => [
          ...columns,
          ...fields(
            random,
            version,
            { next: table['last-column-id'] + 1 + columns.filter((field) => field['id'] > table['last-column-id']).length * 20 },
            1,
            1,
          ).map((field) => ({ ...field, required: false, 'initial-default': undefined, 'write-default': undefined })),
        ],
      ],
      [
        2,
        () =>
          columns.filter(
            (field) => columns.length < 2 || used.has(field['id']) || keys.includes(field['id']) || random.chance(0.6),
          ),
      ],
      [1, () => columns.map((field) => (keys.includes(field['id']) ? field : { ...field, required: false }))],
      [
        1,
        () =>
          columns.map((field) => ({
            ...field,
            type: PROMOTIONS.get(field['type']) ?? field['type'],
            ...(PROMOTIONS.has(field['type']) ? { 'initial-default': undefined, 'write-default': undefined } : {}),
          })),
      ],
      [1, () => random.shuffle(columns)],
      [2, () => collided(random, table, columns)],
      [0.7, () => retyped(random, table, columns)],
      [1, () => columns.map((field, index) => (index === 0 ? { ...field, doc: 'changed' } : field))],
      [1, () => columns],
    ])
  }
  return { ...schema, 'schema-id': random.pick([schema['schema-id'], schema['schema-id'] + 1, 0, 77]), fields: columns }
}

function transform(random: Random, kind: string): string {
  const choices = ['identity', 'void']
  if (/^(int|long|decimal|date|time|timestamp|string|uuid|fixed|binary)/.test(kind)) choices.push(`bucket[${1 + random.int(64)}]`)
  if (/^(int|long|decimal|string|binary)/.test(kind)) choices.push(`truncate[${1 + random.int(16)}]`)
  if (/^(date|timestamp)/.test(kind)) choices.push('year', 'month', 'day')
  if (kind.startsWith('timestamp')) choices.push('hour')
  return random.pick(choices)
}

/** Mostly one of its own; sometimes that of the source, or of another column. */
function partitionName(random: Random, schema: Json, source: Json, transformed: string): string {
  return random.weighted([
    [12, () => `p_${source['name']}_${transformed.replace(/\W/g, '')}`],
    [transformed === 'identity' || transformed === 'void' ? 3 : 0.3, () => source['name']],
    [0.3, () => random.pick<Json>(schema['fields'])['name']],
  ])
}

/** Valid for the schema, but for a chance of one invalid field. With a table, field ids are as a client gives them. */
export function partitionSpec(random: Random, schema: Json, table?: Json): Json {
  const sources = random.some(primitives(schema), 0.4).slice(0, 3)
  const known: Json[] = (table?.['partition-specs'] ?? []).flatMap((spec: Json) => spec['fields'])
  let last: number = table?.['last-partition-id'] ?? 999
  // All or none: the reference can't read a mixture.
  const withIds = random.chance(table === undefined ? 0.5 : 0.97)
  const list = sources.map((source): Json => {
    const name = transform(random, source['type'])
    const same = known.find((field) => field['source-id'] === source['id'] && field['transform'] === name)
    const id = withIds ? { 'field-id': same?.['field-id'] ?? ++last } : {}
    return {
      'source-id': source['id'],
      transform: name,
      name: same?.['name'] ?? partitionName(random, schema, source, name),
      ...id,
    }
  })
  if (random.chance(0.1) && list.length > 0) {
    const broken = random.pick<Json>([
      { 'source-id': 9999 },
      { transform: 'year', 'source-id': schema['fields'][0].id },
      { transform: 'bucket[0]' },
      { transform: 'truncate[x]' },
    ])
    list[0] = { ...list[0], ...broken }
  }
  if (random.chance(0.04) && list.length > 0) list.push({ ...list[0]! })
  return { 'spec-id': random.int(4), fields: list }
}

export function sortOrder(random: Random, schema: Json): Json {
  const sources = random.shuffle(random.some(primitives(schema), 0.4)).slice(0, 3)
  const list = sources.map((source): Json => {
    const name = transform(random, source['type'])
    return {
      'source-id': source['id'],
      transform: name === 'void' ? 'identity' : name,
      direction: random.pick(['asc', 'desc']),
      'null-order': random.pick(['nulls-first', 'nulls-last']),
    }
  })
  if (random.chance(0.08) && list.length > 0)
    list[0] = { ...list[0], ...random.pick<Json>([{ 'source-id': 9999 }, { direction: 'up' }, { 'null-order': 'nulls-middle' }]) }
  return { 'order-id': list.length === 0 ? 0 : 1 + random.int(4), fields: list }
}

/** The id of an equal item that the table has already, else -1: what clients send to make the one they added the default. */
export function knownOrLast(items: readonly Json[], idKey: string, made: Json, compared: readonly string[]): number {
  const essence = (item: Json): string =>
    JSON.stringify([
      item['identifier-field-ids'] ?? [],
      item['fields'].map((field: Json) => compared.map((key) => field[key] ?? null)),
    ])
  return items.find((item) => essence(item) === essence(made))?.[idKey] ?? -1
}
