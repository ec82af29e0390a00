/** Rows for tests, and short words for what tests do with stores. Names are unique, so that tests share nothing. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { EntityName, Key, NewRow } from '../../../src/stores/entities.ts'
import { StoreError } from '../../../src/stores/store.ts'
import type { Mutation, Store, StoreErrorKind } from '../../../src/stores/store.ts'
import type { Backend, OpenedStore } from '../backends.ts'

/** A store for the tests of one `describe`, opened before they run. */
export function useStore(backend: Backend): { readonly opened: OpenedStore; readonly store: Store } {
  let opened: OpenedStore | undefined
  before(async () => {
    opened = await backend.open()
  })
  after(() => opened?.dispose())
  const current = (): OpenedStore => {
    assert.ok(opened !== undefined)
    return opened
  }
  return {
    get opened() {
      return current()
    },
    get store() {
      return current().store
    },
  }
}

export function tenant(values: Partial<NewRow<'tenants'>> = {}): NewRow<'tenants'> {
  const id = values.id ?? randomUUID()
  return { id, name: `tenant ${id}`, properties: {}, created_at: 1_700_000_000_000, ...values }
}

export function user(values: Partial<NewRow<'users'>> = {}): NewRow<'users'> {
  const id = values.id ?? randomUUID()
  return {
    id,
    tenant_id: null,
    username: `user ${id}`,
    email: null,
    password_hash: null,
    role: 'tenant-user',
    active: true,
    created_at: 1,
    updated_at: 1,
    ...values,
  }
}

export function namespace(values: Partial<NewRow<'namespaces'>> = {}): NewRow<'namespaces'> {
  return {
    tenant_id: randomUUID(),
    catalog_id: 'lake',
    branch: 'main',
    parent: '',
    name: 'ns',
    id: randomUUID(),
    epoch: 1,
    deleted: false,
    properties: {},
    created_at: 1,
    updated_at: 1,
    location: null,
    ...values,
  }
}

export function entry(values: Partial<NewRow<'entries'>> = {}): NewRow<'entries'> {
  return {
    tenant_id: randomUUID(),
    catalog_id: 'lake',
    branch: 'main',
    namespace: 'ns',
    name: 'table',
    id: randomUUID(),
    kind: 'table',
    epoch: 1,
    deleted: false,
    uuid: null,
    metadata_location: 'file:///lake/ns/table/metadata/00000-a.metadata.json',
    location: 'file:///lake/ns/table/',
    created_at: 1,
    updated_at: 1,
    ...values,
  }
}

export function metricsReport(values: Partial<NewRow<'metrics'>> = {}): NewRow<'metrics'> {
  return {
    tenant_id: randomUUID(),
    catalog_id: 'lake',
    entry_id: randomUUID(),
    id: randomUUID(),
    received_at: 1,
    report_type: 'scan-report',
    principal_id: null,
    report: '{}',
    ...values,
  }
}

/** Any entity's mutations without telling the compiler which, for tests that go through all. */
export const mutation = (value: object): Mutation => value as Mutation

export const insert = <E extends EntityName>(entity: E, row: NewRow<E>): Mutation => mutation({ op: 'insert', entity, row })
export const replace = <E extends EntityName>(
  entity: E,
  row: NewRow<E>,
  expected: number,
  changed?: readonly (keyof NewRow<E>)[],
): Mutation => mutation({ op: 'replace', entity, row, expected, ...(changed && { changed }) })
export const remove = <E extends EntityName>(entity: E, key: Key<E>, expected: number | 'any'): Mutation =>
  mutation({ op: 'remove', entity, key, expected })
export const require = <E extends EntityName>(entity: E, key: Key<E>, expected: number | 'any' | 'none'): Mutation =>
  mutation({ op: 'require', entity, key, expected })

/** Writes one mutation and answers the version that it gave the row. */
export async function writeOne(store: Store, one: Mutation): Promise<number> {
  const [version] = await store.write([one])
  assert.equal(typeof version, 'number')
  return version as number
}

/** Declares tests in which writers race, where the server is held to that. */
export const racing = ({ isSequential = false }: Backend): typeof test => (isSequential ? ((() => undefined) as never) : test)

/** An expectation for `assert.rejects`. */
export function storeError(kind: StoreErrorKind, step?: number): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StoreError, `a StoreError, not ${String(error)}`)
    assert.equal(error.kind, kind, error.message)
    if (step !== undefined) assert.equal(error.step, step)
    return true
  }
}

export const conflict = (step: number): ((error: unknown) => true) => storeError('conflict', step)

/** How many of these writes were carried out; the others must have lost as conflicts. */
export async function winners(writes: readonly Promise<unknown>[]): Promise<number> {
  const outcomes = await Promise.allSettled(writes)
  for (const outcome of outcomes) if (outcome.status === 'rejected') storeError('conflict')(outcome.reason)
  return outcomes.filter(({ status }) => status === 'fulfilled').length
}
