/**
 * Where we differ from the reference implementation on purpose, each with its reason. A difference that none of these
 * explains fails the test. A sequence ends where one applies, because from there on the two tables are not the same.
 */
import type { Json } from './columns.ts'
import type { Class, Outcome } from './compare.ts'

export interface Case {
  readonly request: Json
  /** The reference's state before the request; absent for a creation. */
  readonly before: Json | undefined
  readonly reference: Outcome
  readonly ours: Outcome
  readonly classes: readonly [reference: Class, ours: Class]
  /** Where the two differ. */
  readonly problems: readonly string[]
  /** Whether the reference can read again what it made, if it made something. */
  readonly readable: boolean
}

export interface Deviation {
  /** What we do, and why. */
  readonly name: string
  readonly explains: (found: Case) => boolean
}

const has = ({ request }: Case, action: string, test: (update: Json) => boolean = () => true): boolean =>
  (request['updates'] ?? []).some((update: Json) => update['action'] === action && test(update))
/** We refuse, naming the reason, what the reference lets pass (or refuses later, for another reason). */
const stricter = ({ classes: [reference, ours], ours: { message } }: Case, reason: RegExp): boolean =>
  reference !== 'bad request' && ours === 'bad request' && reason.test(message)
const differOnlyAt = ({ problems, classes: [reference, ours] }: Case, place: RegExp): boolean =>
  reference === 'accepted' && ours === 'accepted' && problems.every((problem) => place.test(problem))

/** A partition field of the request has the name of its own source column. */
function ownName({ request, before, ours: { message } }: Case): boolean {
  const schemas: Json[] = [request['schema'], ...(before?.['schemas'] ?? []), ...schemasOf(request)].filter(Boolean)
  const specs: Json[] = [request['partition-spec'], ...specsOf(request)].filter(Boolean)
  return specs
    .flatMap((spec) => spec['fields'])
    .some(
      (field: Json) =>
        message.includes(`partition field ${field['name']}:`) &&
        schemas.some((schema) =>
          schema['fields'].some((column: Json) => column['id'] === field['source-id'] && column['name'] === field['name']),
        ),
    )
}
const updatesOf = (request: Json, action: string): Json[] =>
  (request['updates'] ?? []).filter((update: Json) => update['action'] === action)
const schemasOf = (request: Json): Json[] => updatesOf(request, 'add-schema').map((update) => update['schema'])
const specsOf = (request: Json): Json[] => updatesOf(request, 'add-spec').map((update) => update['spec'])

export const DEVIATIONS: readonly Deviation[] = [
  {
    name: '-1 also means a schema, spec or order that the request added and the table had already: two writers may add the same',
    explains: (found) => {
      const { message } = found.reference
      const last = (action: string, key: string): boolean => has(found, action, (update) => update[key] === -1)
      return (
        (/no schema has been added/.test(message) && has(found, 'add-schema')) ||
        (/no spec has been added/.test(message) && has(found, 'add-spec') && last('set-default-spec', 'spec-id')) ||
        (/no sort order has been added/.test(message) &&
          has(found, 'add-sort-order') &&
          last('set-default-sort-order', 'sort-order-id')) ||
        (/no current version id has been set/.test(message) &&
          has(found, 'add-view-version') &&
          last('set-current-view-version', 'view-version-id'))
      )
    },
  },
  {
    name: '-1 means the last one of the request, also when the table had that one already; the reference takes an earlier one',
    explains: (found) => {
      const twice = (action: string): boolean =>
        found.request['updates']?.filter((update: Json) => update['action'] === action).length > 1
      const places =
        /^\/(schema|current-schema-id|partition-spec|default-(spec|sort-order)-id|current-version-id|version-log|versions\/\d+\/schema-id)\b/
      return ['add-schema', 'add-spec', 'add-sort-order', 'add-view-version'].some(twice) && differOnlyAt(found, places)
    },
  },
  {
    name: 'partition fields without an id, or with one that another field has, get a new one; the reference gives an id twice',
    explains: (found) =>
      has(found, 'add-spec') &&
      differOnlyAt(found, /^\/(partition-specs\/\d+\/fields\/\d+\/field-id|partition-spec\/\d+\/field-id|last-partition-id):/),
  },
  {
    name: 'removing snapshots that are not there is no error; the reference counts down below zero and fails',
    explains: (found) => has(found, 'remove-snapshots') && /arraySize cannot be negative/.test(found.reference.message),
  },
  {
    name: 'statistics belong to a snapshot of the table',
    explains: (found) => stricter(found, /statistics of unknown snapshot/),
  },
  {
    name: 'an id of a column keeps its type, or a wider one, for the life of the table: data files are read by id',
    explains: (found) => stricter(found, /has id \d+, which was .* and cannot become/),
  },
  {
    name: 'main is a branch; the reference lets it become a tag',
    explains: (found) => stricter(found, /Cannot set main to a tag/),
  },
  {
    name: 'an unknown spec or order as default is refused at once; the reference notices, if ever, when it builds the result',
    explains: ({ classes: [, ours], ours: { message } }) =>
      ours === 'bad request' && /Cannot set default (partition spec|sort order) to unknown/.test(message),
  },
  {
    name: 'a commit to a view that changes nothing cuts no history; the reference takes removing an absent property for a change',
    explains: (found) => {
      const { versions, properties } = found.before ?? {}
      const keeps = Number(properties?.['version.history.num-entries'] ?? 10)
      return (
        differOnlyAt(found, /^\/(versions|version-log)\/\d+: reference nothing/) &&
        has(found, 'remove-properties') &&
        versions.length > keeps
      )
    },
  },
  {
    name: 'a removed schema is gone; the reference still finds it by its id, and keeps what it can not read again',
    explains: (found) =>
      /Cannot find schema with current-schema-id/.test(found.reference.message) ||
      (has(found, 'remove-schemas') && /Cannot find source column/.test(found.reference.message)),
  },
  {
    name: 'a snapshot without a parent does not turn the last sequence number back',
    explains: (found) =>
      has(found, 'add-snapshot', ({ snapshot }) => snapshot['parent-snapshot-id'] === undefined) &&
      (differOnlyAt(found, /^\/last-sequence-number:/) || /greater than last sequence number/.test(found.reference.message)),
  },
  {
    name: 'rows between next-row-id and the first-row-id of a snapshot are never given out; the reference gives them out again',
    explains: (found) => has(found, 'add-snapshot') && differOnlyAt(found, /^\/next-row-id:/),
  },
  {
    name: 'reserved properties say what the metadata says elsewhere, and are refused',
    explains: (found) => has(found, 'set-properties') && stricter(found, /reserved/),
  },
  {
    name: 'each value of a property must be possible, also one that a later update of the same commit replaces',
    explains: (found) => stricter(found, /Invalid property version\.history\.num-entries/),
  },
  {
    name: 'a spec or order that does not suit the schema is refused; the reference makes what it can not read again',
    explains: (found) =>
      !found.readable && stricter(found, /partition field .* of spec \d+: (transform|the schema has|source column)/),
  },
  {
    name: 'a new partition field has the name of its own column as identity or void alone',
    explains: (found) => stricter(found, /partition field .*: the schema has a column of that name/) && ownName(found),
  },
  {
    name: 'two partition fields of one spec differ in source or transform',
    explains: (found) => stricter(found, /same source and transform as partition field/),
  },
  {
    name: 'a transform that nobody knows may be read, but not written',
    explains: (found) => stricter(found, /unknown transform/),
  },
]
