/**
 * The requests of the REST specification, one schema per OpenAPI component, and `decode`, which turns parsed JSON into a
 * typed request or a 400 that names the place. Content that the format rules over (schemas, specs, snapshots, updates)
 * passes unread: `src/iceberg` is its judge. Unknown fields are ignored, and `null` means absent, because that
 * is how clients write an optional field that they do not use.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { badRequest } from '../iceberg/errors.ts'
import { firstFault, validatorOf } from '../iceberg/shape-fault.ts'

const optional = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const name = Type.String({ minLength: 1, maxLength: 255 })
const properties = Type.Record(Type.String(), Type.String())
/** Iceberg JSON, read and judged by the core. */
const icebergObject = Type.Unsafe<object>({ type: 'object' })

export const NamespaceShape = Type.Array(name, { minItems: 1, maxItems: 32 })
export const TableIdentifierShape = Type.Object({ namespace: NamespaceShape, name })

export const CreateNamespaceRequest = Type.Object({ namespace: NamespaceShape, properties: optional(properties) })
export const UpdateNamespacePropertiesRequest = Type.Object({
  removals: optional(Type.Array(Type.String(), { maxItems: 10_000 })),
  updates: optional(properties),
})
export const CreateTableRequest = Type.Object({
  name,
  location: optional(Type.String()),
  schema: icebergObject,
  'partition-spec': optional(icebergObject),
  'write-order': optional(icebergObject),
  'stage-create': optional(Type.Boolean()),
  properties: optional(properties),
})
export const RegisterTableRequest = Type.Object({
  name,
  'metadata-location': Type.String({ minLength: 1 }),
  overwrite: optional(Type.Boolean()),
})
export const RegisterViewRequest = Type.Object({ name, 'metadata-location': Type.String({ minLength: 1 }) })
export const RenameTableRequest = Type.Object({ source: TableIdentifierShape, destination: TableIdentifierShape })
const commit = {
  requirements: optional(Type.Array(icebergObject, { maxItems: 10_000 })),
  updates: optional(Type.Array(icebergObject, { maxItems: 10_000 })),
}
export const CommitTableRequest = Type.Object({ identifier: optional(TableIdentifierShape), ...commit })
export const CommitTransactionRequest = Type.Object({
  'table-changes': Type.Array(Type.Object({ identifier: TableIdentifierShape, ...commit }), { minItems: 1, maxItems: 1000 }),
})
export const CreateViewRequest = Type.Object({
  name,
  location: optional(Type.String()),
  schema: icebergObject,
  'view-version': icebergObject,
  properties: optional(properties),
})
export const CommitViewRequest = Type.Object({ identifier: optional(TableIdentifierShape), ...commit })
export const ReportMetricsRequest = Type.Object({ 'report-type': Type.String({ minLength: 1, maxLength: 255 }) })

export const RemoteSignRequest = Type.Object({
  region: Type.String(),
  uri: Type.String(),
  method: Type.String(),
  headers: Type.Record(Type.String(), Type.Array(Type.String())),
  properties: optional(properties),
  body: optional(Type.String()),
  provider: optional(Type.String()),
})

export type CreateNamespaceRequest = Static<typeof CreateNamespaceRequest>
export type UpdateNamespacePropertiesRequest = Static<typeof UpdateNamespacePropertiesRequest>
export type CreateTableRequest = Static<typeof CreateTableRequest>
export type RegisterTableRequest = Static<typeof RegisterTableRequest>
export type RegisterViewRequest = Static<typeof RegisterViewRequest>
export type RenameTableRequest = Static<typeof RenameTableRequest>
export type CommitTableRequest = Static<typeof CommitTableRequest>
export type CommitTransactionRequest = Static<typeof CommitTransactionRequest>
export type CreateViewRequest = Static<typeof CreateViewRequest>
export type CommitViewRequest = Static<typeof CommitViewRequest>
export type RemoteSignRequest = Static<typeof RemoteSignRequest>
export type ReportMetricsRequest = Static<typeof ReportMetricsRequest>

/** Answers, as the specification names them. */
export interface ListNamespacesResponse {
  readonly namespaces: readonly (readonly string[])[]
  readonly 'next-page-token': string | null
  /** Not part of the answer: what leads to the names behind these, where all were asked for. */
  readonly rest?: AsyncGenerator<readonly (readonly string[])[]>
}
interface TableName {
  readonly namespace: readonly string[]
  readonly name: string
}
export interface ListTablesResponse {
  readonly identifiers: readonly TableName[]
  readonly 'next-page-token': string | null
  /** As with namespaces. */
  readonly rest?: AsyncGenerator<readonly TableName[]>
}
export interface GetNamespaceResponse {
  readonly namespace: readonly string[]
  readonly properties: Readonly<Record<string, string>>
}
export type CreateNamespaceResponse = GetNamespaceResponse
export interface UpdateNamespacePropertiesResponse {
  readonly updated: readonly string[]
  readonly removed: readonly string[]
  readonly missing: readonly string[]
}
export interface CatalogConfig {
  readonly defaults: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, string>>
  readonly endpoints: readonly string[]
  readonly 'idempotency-key-lifetime': string
}

/** The typed request. @throws IcebergError 400 that names the JSON path and what was expected there */
export function decode<T extends TSchema>(schema: T, json: unknown): Static<T> {
  if (validatorOf(schema).Check(json)) return json as Static<T>
  const { path, message } = firstFault(schema, json)
  throw badRequest(`Invalid request: ${path === '' ? 'the request body' : shorten(path)} ${shorten(message)}`)
}

const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text).toWellFormed()

export interface LoadCredentialsResponse {
  readonly 'storage-credentials': readonly {
    readonly prefix: string
    readonly config: Readonly<Record<string, string>>
  }[]
}
