/**
 * The MongoDB engine's protocol with one thing wrong in it, each in a way that a hasty change could make it so: what becomes
 * of the operations that the true protocol asks for. The exploration must find every one.
 */
import type { Documents, Operation, Where } from '../../../src/stores/mongo/documents.ts'
import { carrierOf } from '../../../src/stores/mongo/fates.ts'

type Fault = (documents: Documents) => Documents

/** Changes what is written, or keeps it from being written though it is said to be. */
const changing =
  (change: (operation: Operation) => Operation | 'skipped'): Fault =>
  (documents) => ({
    ...documents,
    apply: async (operations) => {
      const done = operations.map(() => true)
      const left = operations.flatMap((operation, i) => {
        const changed = change(operation)
        return changed === 'skipped' ? [] : [{ changed, i }]
      })
      const results = await documents.apply(left.map(({ changed }) => changed))
      for (const [at, { i }] of left.entries()) done[i] = results[at] === true
      return done
    },
  })

const withoutCondition = (operation: Operation, ...names: (keyof Where)[]): Operation => {
  if (operation.op === 'insert') return operation
  const where = Object.fromEntries(Object.entries(operation.where).filter(([name]) => !names.includes(name as keyof Where)))
  return { ...operation, where: where as unknown as Where }
}

const sets = (operation: Operation, what: string): boolean => operation.op === 'update' && what in operation.change

export const faults: { readonly [name: string]: Fault } = {
  'a compare-and-set that does not compare': changing((operation) =>
    sets(operation, 'content') ? withoutCondition(operation, 'version', 'mark') : operation,
  ),
  'a row is marked in whatever version it is': changing((operation) =>
    sets(operation, 'mark') ? withoutCondition(operation, 'version') : operation,
  ),
  "a mark is set over another batch's": changing((operation) =>
    sets(operation, 'mark') ? withoutCondition(operation, 'mark', 'reader') : operation,
  ),
  'a row that others require is marked all the same': changing((operation) =>
    sets(operation, 'mark') ? withoutCondition(operation, 'reader') : operation,
  ),
  'a commit does not mind the mark of a batch': changing((operation) =>
    operation.op === 'update' && 'content' in operation.change && operation.change.sent !== undefined
      ? withoutCondition(operation, 'mark')
      : operation,
  ),
  'committed before it holds its rows': (documents) => ({
    ...documents,
    insertTransaction: (transaction) => documents.insertTransaction({ ...transaction, state: 'committed' }),
    decide: async (id, state) => state === 'committed' || documents.decide(id, state),
  }),
  'what is said to be aborted is not': (documents) => ({
    ...documents,
    decide: async (id, state) => state === 'aborted' || documents.decide(id, state),
  }),
  'readers take every mark for one that came too late': (documents) => ({ ...documents, findTransaction: async () => undefined }),
  'a batch that is called off may be committed still': changing((operation) =>
    sets(operation, 'forbid') ? 'skipped' : operation,
  ),
  'the outbox is emptied and nothing delivered': changing((operation) =>
    operation.op === 'update' && 'content' in operation.change && carrierOf(operation.where.mark ?? '') !== undefined
      ? 'skipped'
      : operation,
  ),
  'what is in the outbox goes with the row': changing((operation) => withoutCondition(operation, 'outbox')),
  'drafts are rows at once': changing((operation) =>
    operation.op === 'insert' && operation.document.d !== undefined
      ? { ...operation, document: { _id: operation.document._id, i: operation.document.i ?? {}, ...operation.document.d } }
      : operation,
  ),
}
