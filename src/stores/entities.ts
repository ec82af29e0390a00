/**
 * Every entity that a store keeps, declared once: columns, key, indexes. Engines derive their tables, collections and
 * statements from here and hold no entity logic. Every row also has a `version` (see `store.ts`), kept by the engine.
 *
 * Rows are keyed by tenant first and, for what a branch covers, by catalog and branch, so that a look-up can't cross a
 * tenant and a distributed database can shard by the key. Text is compared by code point. `integer` is a safe integer;
 * 64-bit values of the Iceberg format never stand in a column of their own. `json` is plain JSON (no 64-bit integers).
 * A `drawn` column is numbered by the database itself when a row is inserted, within the batch and behind its earlier steps: of
 * two batches, one of which began when the other had been acknowledged, or had waited for a row of it, the later has the greater
 * number. What an insert has there is passed over; rows of programs of before have null.
 * Namespace paths are their levels joined by U+001F; the root is the empty string. Times are milliseconds since 1970.
 */
import type { Version } from './store.ts'

interface ColumnTypes {
  text: string
  'text?': string | null
  integer: number
  'integer?': number | null
  boolean: boolean
  json: Json
  'json?': Json | null
  drawn: number | null
}
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type ColumnType = keyof ColumnTypes

export interface IndexDeclaration {
  readonly columns: readonly string[]
  /** No two rows have the same values in its columns. Rows with a null among them are not held apart. */
  readonly unique?: boolean
}

export interface EntityDeclaration {
  readonly columns: { readonly [column: string]: ColumnType }
  readonly key: readonly string[]
  readonly indexes: { readonly [name: string]: IndexDeclaration }
}

const entity = <const D extends EntityDeclaration>(declaration: D): D => declaration

export const entities = {
  tenants: entity({
    columns: { id: 'text', name: 'text', properties: 'json', created_at: 'integer' },
    key: ['id'],
    indexes: { by_name: { columns: ['name'], unique: true } },
  }),
  /**
   * People. `password_hash` is argon2id. A name is taken within its tenant alone: over all tenants, a creation would tell what other
   * tenants have. The key is the id by itself, which the server draws at random: nobody chooses one, so nothing is told by one that is
   * taken. What is looked up by it goes through `access/accounts.ts`, which passes over the rows of other tenants.
   */
  users: entity({
    columns: {
      id: 'text',
      tenant_id: 'text?',
      username: 'text',
      email: 'text?',
      password_hash: 'text?',
      role: 'text',
      active: 'boolean',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['id'],
    indexes: { by_username: { columns: ['username'] }, by_tenant: { columns: ['tenant_id', 'username'], unique: true } },
  }),
  /**
   * Long-lived tokens (`pgl_<id>_<secret>`): found by id, compared by the SHA-256 of the secret. `bounds` is what a token was
   * narrowed to (see `access/bounds.ts`); the hash covers it.
   */
  tokens: entity({
    columns: {
      id: 'text',
      tenant_id: 'text?',
      user_id: 'text',
      secret_hash: 'text',
      description: 'text?',
      created_at: 'integer',
      expires_at: 'integer?',
      bounds: 'json?',
    },
    key: ['id'],
    indexes: { by_user: { columns: ['user_id', 'created_at'] } },
  }),
  /** `secrets` is the sealed JSON of the secret part of the storage configuration (see `access/secrets.ts`). */
  warehouses: entity({
    columns: {
      tenant_id: 'text',
      name: 'text',
      id: 'text',
      use_sts: 'boolean',
      storage_config: 'json',
      vending_strategy: 'json?',
      secrets: 'text?',
      created_at: 'integer',
      updated_at: 'integer',
      table_location_layout: 'text?',
      purge_delay_hours: 'integer?',
    },
    key: ['tenant_id', 'name'],
    indexes: {},
  }),
  catalogs: entity({
    columns: {
      tenant_id: 'text',
      name: 'text',
      id: 'text',
      catalog_type: 'text',
      warehouse_name: 'text?',
      storage_location: 'text?',
      federated_config: 'json?',
      properties: 'json',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['tenant_id', 'name'],
    indexes: { by_warehouse: { columns: ['tenant_id', 'warehouse_name'] } },
  }),
  /** `epoch` grows with each fork taken from the branch; rows of the branch carry the epoch they were written in. */
  branches: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      name: 'text',
      branch_type: 'text',
      epoch: 'integer',
      parent: 'text?',
      parent_epoch: 'integer?',
      created_at: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'name'],
    indexes: {},
  }),
  /** `location` is the property of that name, in canonical form, where it has been checked. */
  namespaces: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      parent: 'text',
      name: 'text',
      id: 'text',
      epoch: 'integer',
      deleted: 'boolean',
      properties: 'json',
      created_at: 'integer',
      updated_at: 'integer',
      location: 'text?',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'parent', 'name'],
    indexes: { by_location: { columns: ['tenant_id', 'location'] } },
  }),
  /**
   * Tables and views: one key space, so that a view can't take a table's name. `metadata_location` is THE pointer; `uuid` is
   * what the metadata must say (null in rows of versions that did not record it).
   */
  entries: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      namespace: 'text',
      name: 'text',
      id: 'text',
      kind: 'text',
      epoch: 'integer',
      deleted: 'boolean',
      metadata_location: 'text',
      location: 'text',
      created_at: 'integer',
      updated_at: 'integer',
      uuid: 'text?',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'name'],
    indexes: {
      by_kind: { columns: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'kind', 'name'] },
      by_location: { columns: ['tenant_id', 'location'] },
      by_id: { columns: ['tenant_id', 'id'] },
    },
  }),
  /** Places beside their own location that tables name for files (`write.data.path` and its kind): one row for each that does. */
  places: entity({
    columns: { tenant_id: 'text', location: 'text', entry_id: 'text' },
    key: ['tenant_id', 'location', 'entry_id'],
    indexes: { by_entry: { columns: ['tenant_id', 'entry_id'] } },
  }),
  /**
   * The log of changes: one row a change (`id` is a UUIDv7). `catalog_id` and `branch` are empty where it is the tenant's own. `origin`
   * says by which principal and token and from where the request came (null in rows of versions that did not record it). `position` is
   * its place in the order of the log, counted from 1; null until the sequencer has given it one.
   */
  commits: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      id: 'text',
      timestamp_ms: 'integer',
      author: 'text',
      message: 'text',
      operations: 'json',
      origin: 'json?',
      position: 'integer?',
      arrival: 'drawn',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'id'],
    indexes: { pending: { columns: ['position', 'arrival'] } },
  }),
  /**
   * The order of a log, written by the sequencer and never changed: which change stands at a position. `at` is its time, which never
   * goes back along the log. `hash` covers the change and the hash of the position before.
   */
  positions: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      position: 'integer',
      commit_id: 'text',
      at: 'integer',
      hash: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'position'],
    indexes: {},
  }),
  /** How far a log has come, and where it begins: what is at `first_position` and before was removed. Without one: nothing yet. */
  logs: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      position: 'integer',
      at: 'integer',
      hash: 'text',
      first_position: 'integer',
      first_hash: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch'],
    indexes: {},
  }),
  /**
   * What had a name from the position `since` on, until the position `until` (null: it still has), for reading the past. `kind` is
   * table, view or namespace; `parent` the namespace around it. A value is null where no program recorded it.
   */
  states: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      kind: 'text',
      parent: 'text',
      name: 'text',
      since: 'integer',
      until: 'integer?',
      id: 'text?',
      uuid: 'text?',
      location: 'text?',
      properties: 'json?',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'kind', 'parent', 'name', 'since'],
    indexes: {},
  }),
  /** The metadata file to which the table or view of a name led, from a position on. */
  versions: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      namespace: 'text',
      name: 'text',
      position: 'integer',
      metadata_location: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'name', 'position'],
    indexes: {},
  }),
  /** Outcomes of requests with an Idempotency-Key; `fingerprint` binds the key to principal, method, path and body. */
  idempotency: entity({
    columns: {
      tenant_id: 'text',
      idempotency_key: 'text',
      fingerprint: 'text',
      status: 'integer',
      outcome: 'json?',
      expires_at: 'integer',
    },
    key: ['tenant_id', 'idempotency_key'],
    indexes: { by_expiry: { columns: ['expires_at'] } },
  }),
  /** Scan and commit reports as clients sent them; `report` is their JSON text (it holds 64-bit integers), `principal_id` who sent it. */
  metrics: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      entry_id: 'text',
      id: 'text',
      received_at: 'integer',
      report_type: 'text',
      report: 'text',
      principal_id: 'text?',
    },
    key: ['tenant_id', 'catalog_id', 'entry_id', 'id'],
    indexes: { by_age: { columns: ['received_at'] } },
  }),
  /** What a database knows of the servers that use it, by name. */
  settings: entity({
    columns: { name: 'text', value: 'json', updated_at: 'integer' },
    key: ['name'],
    indexes: {},
  }),
  /**
   * Tables, views and namespaces that were dropped and can come back until `kept_until`. `row` is the row that went away, without its
   * version; `location` is that of a table or view. `id` is a UUIDv7, and that of the task which purges it then, where there is one; what
   * went with a namespace has the id of that with a number behind it.
   */
  dropped: entity({
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      id: 'text',
      branch: 'text',
      kind: 'text',
      row: 'json',
      location: 'text?',
      dropped_at: 'integer',
      dropped_by: 'text',
      kept_until: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'id'],
    indexes: { by_expiry: { columns: ['kept_until'] }, by_location: { columns: ['tenant_id', 'location'] } },
  }),
  /** What must not be dropped: tables, views, namespaces and catalogs, by their ids. */
  protections: entity({
    columns: { tenant_id: 'text', object_id: 'text', kind: 'text', protected_at: 'integer', protected_by: 'text' },
    key: ['tenant_id', 'object_id'],
    indexes: {},
  }),
  /**
   * Background work, leased: a task belongs to `owner` until `due_at`, then to the process that takes it. `location` is the place whose
   * files a deletion works on, from when it is decided until it has ended: for as long, nothing else may take that place.
   */
  tasks: entity({
    columns: {
      id: 'text',
      tenant_id: 'text',
      kind: 'text',
      payload: 'json',
      due_at: 'integer',
      owner: 'text?',
      attempts: 'integer',
      last_error: 'text?',
      created_at: 'integer',
      location: 'text?',
    },
    key: ['id'],
    indexes: { by_due: { columns: ['due_at'] }, by_location: { columns: ['tenant_id', 'kind', 'location'] } },
  }),
} as const satisfies { readonly [name: string]: EntityDeclaration }

export type Entities = typeof entities
export type EntityName = keyof Entities
type Columns<E extends EntityName> = Entities[E]['columns']
type Value<T> = T extends ColumnType ? ColumnTypes[T] : never

/** A row without its version. */
export type NewRow<E extends EntityName> = { readonly [C in keyof Columns<E>]: Value<Columns<E>[C]> }
export type Row<E extends EntityName> = NewRow<E> & { readonly version: Version }
export type Key<E extends EntityName> = Pick<NewRow<E>, Extract<Entities[E]['key'][number], keyof Columns<E>>>
export type IndexName<E extends EntityName> = 'primary' | Extract<keyof Entities[E]['indexes'], string>
