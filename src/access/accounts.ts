/**
 * Users and tokens, found by their ids. An id is no secret and may come from a client, so it is looked up as the tenant sees it that
 * asks: another tenant's row is as if it did not exist. Two reads are outside of this, in `authenticate.ts`: the row of a credential
 * itself, which says whose tenant it is of.
 */
import type { Row } from '../stores/entities.ts'
import { mapped, pagesOf } from '../stores/pages.ts'
import type { Store } from '../stores/store.ts'

type Account = 'users' | 'tokens'

/** `null` is no tenant, and sees nothing. */
export async function accountOf<E extends Account>(
  store: Pick<Store, 'get'>,
  entity: E,
  tenantId: string | null,
  id: string,
): Promise<Row<E> | undefined> {
  const row: Row<Account> | undefined = await store.get<Account>(entity, { id })
  return tenantId !== null && row?.tenant_id === tenantId ? (row as Row<E>) : undefined
}

/** The long-lived tokens of a user, oldest first, in pages. */
export function tokensOf(
  store: Store,
  tenantId: string,
  userId: string,
  pageRows?: number,
): AsyncGenerator<readonly Row<'tokens'>[]> {
  const wanted = { index: 'by_user', where: { user_id: userId }, ...(pageRows !== undefined && { pageRows }) } as const
  return mapped(pagesOf(store, 'tokens', wanted), (page) => page.filter(({ tenant_id }) => tenant_id === tenantId))
}
