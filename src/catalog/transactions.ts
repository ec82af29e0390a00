/** Commits to several tables, all or nothing: every file is written first, then one batch flips all pointers. */
import { IcebergError, badRequest, displayIdentifier } from '../iceberg/errors.ts'
import { assertMayCommit } from './authorize.ts'
import type { CatalogCall, CatalogContext } from './call.ts'
import { commitEntries } from './commits/commit.ts'
import { laneOf } from './entries.ts'
import { parseTableCommit } from './commits/format-work.ts'
import { createLoopTurns } from '../threads.ts'
import { readLarge, smallChange, type TableChange } from './commits/large-commit.ts'
import type { CommitTransactionRequest } from './shapes.ts'
import { planTableCommit } from './update-table.ts'

export async function commitTransaction(
  context: CatalogContext,
  call: CatalogCall,
  /** As bytes, where it is large. */
  request: CommitTransactionRequest | Uint8Array,
): Promise<void> {
  const read = request instanceof Uint8Array ? await readLarge(context, call, request, { isTransaction: true }) : undefined
  const identifiers = read?.map(({ identifier }) => identifier!) ?? identifiersOf(request as CommitTransactionRequest)
  const lanes = identifiers.map((identifier) => laneOf(call.catalog, identifier))
  const seen = new Set<string>()
  const twice = identifiers.find((_, at) => seen.size === seen.add(lanes[at] as string).size)
  if (twice !== undefined) throw badRequest(`Invalid transaction: table ${displayIdentifier(twice)} is in table-changes twice`)
  const changes = read?.map(({ change }) => change) ?? changesOf(request as CommitTransactionRequest)
  for (const [at, change] of changes.entries()) await assertMayCommit(context, call, identifiers[at]!, change)
  // A thousand small commits, one after the other, are a second of work.
  const turn = identifiers.length > 1 ? createLoopTurns() : undefined
  return commitEntries(context, call, {
    identifiers,
    plan: async (at) => {
      const [identifier, change] = [identifiers[at], changes[at]]
      if (identifier === undefined || change === undefined) throw new TypeError(`no table change at ${at}`)
      try {
        return await planTableCommit(context, call, identifier, change, turn)
      } catch (error) {
        throw named(error, identifier)
      }
    },
    message: `Commit to ${identifiers.length} tables`,
    status: 204,
    outcome: () => null,
    answer: () => undefined,
    replay: () => undefined,
  })
}

const identifiersOf = (request: CommitTransactionRequest) => request['table-changes'].map(({ identifier }) => identifier)

const changesOf = (request: CommitTransactionRequest): TableChange[] =>
  request['table-changes'].map((change) => naming(change.identifier, () => smallChange(parseTableCommit(change))))

type Identifier = { readonly namespace: readonly string[]; readonly name: string } | undefined

function naming<T>(identifier: Identifier, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw named(error, identifier)
  }
}

/** The same error, saying which of the tables it is about. */
function named(error: unknown, identifier: Identifier): unknown {
  if (!(error instanceof IcebergError) || identifier === undefined) return error
  const name = displayIdentifier(identifier)
  if (error.message.includes(name)) return error
  const { details, retryAfterSeconds } = error
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  return new IcebergError(error.type, `${error.message} (table ${name})`, { cause: error, details, ...retry })
}
