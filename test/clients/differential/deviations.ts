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
}

export interface Deviation {
  /** What we do, and why. */
  readonly name: string
  readonly explains: (found: Case) => boolean
}

const has = ({ request }: Case, action: string, test: (update: Json) => boolean = () => true): boolean =>
  (request['updates'] ?? []).some((update: Json) => update['action'] === action && test(update))
/** We refuse, naming the reason, what the reference lets pass. */
const stricter = ({ classes: [reference, ours], ours: { message } }: Case, reason: RegExp): boolean =>
  reference === 'accepted' && ours === 'bad request' && reason.test(message)
const differOnlyAt = ({ problems, classes: [reference, ours] }: Case, place: RegExp): boolean =>
  reference === 'accepted' && ours === 'accepted' && problems.every((problem) => place.test(problem))

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
    explains: (found) =>
      differOnlyAt(found, /^\/(versions|version-log)\/\d+: reference nothing/) && !has(found, 'add-view-version'),
  },
  {
    name: 'each value of a property must be possible, also one that a later update of the same commit replaces',
    explains: (found) => stricter(found, /Invalid property version\.history\.num-entries/),
  },
  {
    name: 'a transform that nobody knows may be read, but not written',
    explains: (found) => stricter(found, /unknown transform/),
  },
]
