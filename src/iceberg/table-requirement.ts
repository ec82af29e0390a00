/** What a commit asserts about the state it was made for: read into one closed union, and checked. */
import type { JsonValue } from './json.ts'
import type { Long } from './long.ts'
import type { TableMetadata } from './table-metadata.ts'
import type { ViewMetadata } from './view-metadata.ts'

export type TableRequirement =
  | { readonly type: 'assert-create' }
  | { readonly type: 'assert-table-uuid'; readonly uuid: string }
  | { readonly type: 'assert-ref-snapshot-id'; readonly ref: string; readonly 'snapshot-id': Long | null }
  | { readonly type: 'assert-last-assigned-field-id'; readonly 'last-assigned-field-id': number }
  | { readonly type: 'assert-current-schema-id'; readonly 'current-schema-id': number }
  | { readonly type: 'assert-last-assigned-partition-id'; readonly 'last-assigned-partition-id': number }
  | { readonly type: 'assert-default-spec-id'; readonly 'default-spec-id': number }
  | { readonly type: 'assert-default-sort-order-id'; readonly 'default-sort-order-id': number }
export type ViewRequirement = { readonly type: 'assert-view-uuid'; readonly uuid: string }

export declare function parseTableRequirements(json: JsonValue): TableRequirement[]
export declare function parseViewRequirements(json: JsonValue): ViewRequirement[]
/** @throws IcebergError CommitFailedException; 400 for a requirement that makes no sense here */
export declare function checkRequirements(requirements: readonly TableRequirement[], metadata: TableMetadata | undefined): void
export declare function checkViewRequirements(requirements: readonly ViewRequirement[], metadata: ViewMetadata): void
