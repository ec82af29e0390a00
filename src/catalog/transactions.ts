/** Commits to several tables, all or nothing: every file is written first, then one batch flips all pointers. */
import { IcebergError, badRequest, displayIdentifier } from '../iceberg/errors.ts'
import { assertMayCommit } from './authorize.ts'
import type { CatalogCall, CatalogContext } from './call.ts'
import { commitEntries } from './commit.ts'
import { laneOf } from './entries.ts'
import { idempotent } from './idempotency.ts'
import type { CommitTransactionRequest } from './shapes.ts'
import { parseTableCommit, planTableCommit } from './update-table.ts'

export async function commitTransaction(
  context: CatalogContext,
  call: CatalogCall,
  request: CommitTransactionRequest,
): Promise<void> {
  const identifiers = request['table-changes'].map(({ identifier }) => identifier)
  const lanes = identifiers.map((identifier) => laneOf(call.catalog, identifier))
  const twice = identifiers.find((_, at) => lanes.indexOf(lanes[at] as string) !== at)
  if (twice !== undefined) throw badRequest(`Invalid transaction: table ${displayIdentifier(twice)} is in table-changes twice`)
  const commits = request['table-changes'].map((change, at) => naming(identifiers[at], () => parseTableCommit(change)))
  for (const [at, commit] of commits.entries()) assertMayCommit(call, identifiers[at]!, commit)
  return idempotent(context, call, {
    run: async (record) => {
      const { status, outcome } = await commitEntries(context, call, record, {
        identifiers,
        plan: async (at) => {
          const [identifier, commit] = [identifiers[at], commits[at]]
          if (identifier === undefined || commit === undefined) throw new TypeError(`no table change at ${at}`)
          try {
            return await planTableCommit(context, call, identifier, commit)
          } catch (error) {
            throw named(error, identifier)
          }
        },
        message: `Commit to ${identifiers.length} tables`,
        status: 204,
        outcome: () => null,
      })
      return { answer: undefined, status, outcome }
    },
    replay: async () => undefined,
  })
}

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
