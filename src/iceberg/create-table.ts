/** Metadata of a new table: from a create request, or from the updates of a commit that creates. */
import type { PartitionSpec } from './partition-spec.ts'
import type { Schema } from './schema.ts'
import type { SortOrder } from './sort-order.ts'
import type { ApplyOptions } from './table-metadata-builder.ts'
import type { TableMetadata } from './table-metadata.ts'
import type { TableUpdate } from './table-update.ts'

export interface NewTable {
  readonly uuid: string
  readonly location: string
  /** As the client sent it; ids are assigned anew. */
  readonly schema: Schema | object
  readonly spec?: PartitionSpec | object | null | undefined
  readonly order?: SortOrder | object | null | undefined
  readonly properties: Readonly<Record<string, string>>
  readonly now: number
  readonly checkLocation?: (location: string, what: string) => void
}
export declare function newTableMetadata(table: NewTable): TableMetadata
export declare function createFromUpdates(updates: readonly TableUpdate[], options: ApplyOptions): TableMetadata
