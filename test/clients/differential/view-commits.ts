/** Random views and commits to them. */
import { fields, type Json } from './columns.ts'
import type { Random } from './random.ts'
import { UUID_PLACEHOLDER, type CommitContext } from './table-commits.ts'

function schema(random: Random, id: number): Json {
  return { type: 'struct', 'schema-id': id, fields: fields(random, 1, { next: 1 }, 1, 1 + random.int(2)) }
}

function representations(random: Random): Json[] {
  const dialects = random.some(['spark', 'trino', 'duckdb'], 0.6)
  const chosen = dialects.length === 0 ? ['spark'] : dialects
  if (random.chance(0.06)) chosen.push(chosen[0]!.toUpperCase())
  return chosen.map((dialect) => ({ type: 'sql', dialect, sql: `select ${random.int(20)}` }))
}

function viewVersion(random: Random, id: number, schemaId: number, now: number): Json {
  return {
    'version-id': id,
    'schema-id': schemaId,
    'timestamp-ms': now,
    summary: random.pick<Json>([{ operation: 'create' }, { 'engine-name': 'x', operation: 'replace' }]),
    representations: representations(random),
    'default-namespace': random.pick([['a'], ['a', 'b.c']]),
    ...(random.chance(0.3) ? { 'default-catalog': 'other' } : {}),
  }
}

export function createViewRequest(random: Random, name: string, location: string): Json {
  return {
    name,
    location,
    schema: schema(random, 0),
    'view-version': viewVersion(random, 1, 0, Date.now()),
    properties: Object.fromEntries([
      ...random.some([
        ['owner', 'anna'],
        ['version.history.num-entries', random.pick(['1', '2', '5'])],
      ]),
      ...(random.chance(0.85) ? [['replace.drop-dialect.allowed', 'true']] : []),
    ]),
  }
}

export function viewCommitRequest(random: Random, context: CommitContext): Json {
  const uuid = random.chance(0.05) ? '00000000-0000-4000-8000-000000000000' : UUID_PLACEHOLDER
  return {
    requirements: random.chance(0.6) ? [{ type: 'assert-view-uuid', uuid }] : [],
    updates: Array.from({ length: 1 + random.int(2) }, () => someUpdates(random, context)).flat(),
  }
}

function someUpdates(random: Random, { table: view, location, now, step }: CommitContext): Json[] {
  const schemaIds: number[] = view['schemas'].map((item: Json) => item['schema-id'])
  const versionIds: number[] = view['versions'].map((item: Json) => item['version-id'])
  const next = random.chance(0.8) ? Math.max(...versionIds) + 1 : random.int(4) + 1
  const added = schema(random, random.int(4))
  // Not the first one: the reference server gave it a summary of its own.
  const known = random.pick<Json>([
    ...view['versions'].filter((item: Json) => item['version-id'] !== 1),
    viewVersion(random, next, -1, now + step),
  ])
  const lastAdded: Json = { action: 'set-current-view-version', 'view-version-id': -1 }
  return random.weighted<Json[]>([
    [
      6,
      () => [
        { action: 'add-schema', schema: added },
        { action: 'add-view-version', 'view-version': viewVersion(random, next, -1, now + step) },
        lastAdded,
      ],
    ],
    [
      4,
      () => [
        {
          action: 'add-view-version',
          'view-version': viewVersion(
            random,
            next,
            random.pick([...schemaIds, ...schemaIds, ...schemaIds, ...schemaIds, -1, 50]),
            now + step,
          ),
        },
        lastAdded,
      ],
    ],
    [
      2,
      () => [
        // A version that is there already, and its id, as clients send it then.
        { action: 'add-view-version', 'view-version': { ...known, 'timestamp-ms': now + step } },
        random.chance(0.1) ? lastAdded : { action: 'set-current-view-version', 'view-version-id': known['version-id'] },
      ],
    ],
    [
      2,
      () => [
        {
          action: 'set-current-view-version',
          'view-version-id': random.chance(0.05) ? random.pick([-1, 99]) : random.pick(versionIds),
        },
      ],
    ],
    [
      2,
      () => [
        {
          action: 'set-properties',
          updates: {
            step: String(step),
            ...(random.chance(0.3) ? { 'version.history.num-entries': random.pick(['1', '2', '0']) } : {}),
          },
        },
      ],
    ],
    [
      1,
      () => [{ action: 'remove-properties', removals: random.some(['step', 'owner', 'replace.drop-dialect.allowed', 'absent']) }],
    ],
    [1, () => [{ action: 'set-location', location: `${location}/moved-${random.int(3)}` }]],
    [1, () => [{ action: 'assign-uuid', uuid: random.chance(0.3) ? '00000000-0000-4000-8000-000000000000' : UUID_PLACEHOLDER }]],
    [1, () => [{ action: 'upgrade-format-version', 'format-version': random.pick([1, 1, 1, 2, 0]) }]],
    [0.3, () => [random.pick<Json>([{ action: 'add-snapshot' }, { action: 'nothing' }])]],
  ])
}
