/**
 * Is a history of a register linearizable? Walks the events in the order in which they happened and keeps every
 * configuration that could be the truth: a value, and which of the open operations have taken effect already. When an
 * operation returns, it must have taken effect; a configuration in which no order of the open ones brings that about is out.
 * No configuration left: whatever happened, it was no register.
 */

export type Operation =
  | { readonly kind: 'read'; readonly result: string | null }
  | { readonly kind: 'write'; readonly value: string }
  | { readonly kind: 'cas'; readonly expected: string | null; readonly value: string; readonly done: boolean }

/** One operation of a client. Its times are positions in one order of all events. */
export interface Call {
  readonly invokedAt: number
  /** `Infinity`: nobody knows whether it happened, and it may still happen at any later time. */
  readonly returnedAt: number
  readonly operation: Operation
}

interface Configuration {
  readonly value: string | null
  /** Open operations that have taken effect, ascending. */
  readonly done: readonly number[]
}

const key = ({ value, done }: Configuration): string => `${value === null ? '-' : `=${value}`} ${done.join()}`

/** The value afterwards; `undefined` when the operation can't have had this result on this value. */
function apply(value: string | null, operation: Operation, isKnown: boolean): string | null | undefined {
  switch (operation.kind) {
    case 'read':
      return operation.result === value ? value : undefined
    case 'write':
      return operation.value
    case 'cas': {
      const matches = operation.expected === value
      // Of one without an answer only its taking effect changes anything.
      if (!isKnown) return matches ? operation.value : undefined
      if (operation.done !== matches) return undefined
      return matches ? operation.value : value
    }
  }
}

/** All configurations, each once, that `wanted` has taken effect in, with no more done than that needs. */
function advance(configurations: Iterable<Configuration>, open: ReadonlySet<number>, calls: readonly Call[], wanted: number) {
  const found = new Map<string, Configuration>()
  const seen = new Set<string>()
  const stack = [...configurations]
  for (let current = stack.pop(); current !== undefined; current = stack.pop()) {
    const name = key(current)
    if (seen.has(name)) continue
    seen.add(name)
    if (current.done.includes(wanted)) {
      const rest = { value: current.value, done: current.done.filter((id) => id !== wanted) }
      found.set(key(rest), rest)
      continue
    }
    for (const id of open) {
      if (current.done.includes(id)) continue
      const { operation, returnedAt } = calls[id]!
      const value = apply(current.value, operation, returnedAt !== Infinity)
      if (value !== undefined) stack.push({ value, done: [...current.done, id].sort((a, b) => a - b) })
    }
  }
  return found
}

/**
 * A write without an answer whose value nobody saw explains nothing where nobody compares: without it there is an order too.
 * Left in, each would double the configurations.
 */
function withoutUnseen(calls: readonly Call[]): readonly Call[] {
  if (calls.some(({ operation }) => operation.kind === 'cas')) return calls
  const seen = new Set(calls.map(({ operation }) => (operation.kind === 'read' ? operation.result : null)))
  return calls.filter(({ operation, returnedAt }) => {
    return returnedAt !== Infinity || operation.kind !== 'write' || seen.has(operation.value)
  })
}

/** The call whose return nothing explains; `undefined` when the history is linearizable. */
export function firstViolation(history: readonly Call[], initial: string | null): Call | undefined {
  const calls = withoutUnseen(history)
  const events = calls
    .flatMap(({ invokedAt, returnedAt }, id) => [
      { at: invokedAt, id, returns: false },
      ...(returnedAt === Infinity ? [] : [{ at: returnedAt, id, returns: true }]),
    ])
    .sort((left, right) => left.at - right.at)
  const open = new Set<number>()
  const start: Configuration = { value: initial, done: [] }
  let configurations = new Map([[key(start), start]])
  for (const { id, returns } of events) {
    if (!returns) {
      open.add(id)
      continue
    }
    configurations = advance(configurations.values(), open, calls, id)
    if (configurations.size === 0) return calls[id]
    open.delete(id)
  }
  return undefined
}
