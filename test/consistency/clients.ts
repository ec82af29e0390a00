/** Clients that use few registers at once and note what they asked and what they were told, in one order of events. */
import type { Call, Operation } from './checker.ts'

/** What a client got to know: `undefined` when the answer was lost, `nothing` when it surely did not happen. */
export interface Register {
  readonly name: string
  read(): Promise<{ readonly value: string | null } | undefined>
  /** For registers that compare: whether it was done. */
  readonly cas?: (expected: string | null, value: string) => Promise<boolean | 'nothing' | undefined>
  readonly write?: (value: string) => Promise<boolean | 'nothing' | undefined>
}

export interface History {
  readonly calls: Map<string, Call[]>
  /** Operations whose outcome nobody knows. */
  unknown: number
}

const CLIENTS_PER_REGISTER = 4

/** Runs the clients until `isOver`; `registers` holds one access to each register for each way to reach it. */
export async function record(registers: readonly (readonly Register[])[], isOver: (soFar: History) => boolean): Promise<History> {
  const history: History = { calls: new Map(), unknown: 0 }
  let clock = 0
  let values = 0
  const client = async (ways: readonly Register[], number: number): Promise<void> => {
    const calls = history.calls.get(ways[0]!.name)!
    let seen: string | null = null
    for (let turn = number; !isOver(history); turn++) {
      const register = ways[turn % ways.length]!
      const invokedAt = ++clock
      const note = (operation: Operation, isKnown: boolean): void => {
        if (!isKnown) history.unknown++
        calls.push({ invokedAt, returnedAt: isKnown ? ++clock : Infinity, operation })
      }
      const value = String(++values)
      if (turn % 2 === 0) {
        const answer = await register.read()
        // A read without an answer says nothing.
        if (answer !== undefined) note({ kind: 'read', result: (seen = answer.value) }, true)
      } else if (register.cas !== undefined) {
        const done = await register.cas(seen, value)
        if (done !== 'nothing') note({ kind: 'cas', expected: seen, value, done: done ?? false }, done !== undefined)
      } else {
        const done = await register.write!(value)
        if (done !== 'nothing') note({ kind: 'write', value }, done !== undefined)
      }
    }
  }
  for (const [first] of registers) history.calls.set(first!.name, [])
  await Promise.all(
    registers.flatMap((ways) => Array.from({ length: CLIENTS_PER_REGISTER }, (_, number) => client(ways, number))),
  )
  return history
}

export const columns = { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }

/** A commit that makes a new snapshot the current one if the expected one still is; the old one goes, so tables stay small. */
export const casCommit = (
  location: string,
  expected: string | null,
  value: string,
): { requirements: object[]; updates: object[] } => ({
  requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': expected === null ? null : Number(expected) }],
  updates: [
    {
      action: 'add-snapshot',
      snapshot: {
        'snapshot-id': Number(value),
        'timestamp-ms': Date.now(),
        'manifest-list': `${location}/metadata/snap-${value}.avro`,
        summary: { operation: 'append' },
        'schema-id': 0,
      },
    },
    { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': Number(value) },
    ...(expected === null ? [] : [{ action: 'remove-snapshots', 'snapshot-ids': [Number(expected)] }]),
  ],
})

/** The register's value in a table's metadata. */
export function valueOf(metadata: { readonly 'current-snapshot-id'?: number | null }): string | null {
  const id = metadata['current-snapshot-id']
  return id === undefined || id === null || id === -1 ? null : String(id)
}
