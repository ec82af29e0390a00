/** View metadata, format version 1: read, checked and written. */
import type { JsonValue } from './json.ts'
import type { Long } from './long.ts'
import type { Schema } from './schema.ts'

export interface ViewRepresentation {
  readonly type: string
  readonly [field: string]: JsonValue | undefined
}
export interface ViewVersion {
  readonly 'version-id': number
  readonly 'timestamp-ms': Long
  readonly 'schema-id': number
  readonly summary: Readonly<Record<string, string>>
  readonly representations: readonly ViewRepresentation[]
  readonly 'default-catalog'?: string
  readonly 'default-namespace': readonly string[]
  readonly [unknownField: string]: JsonValue | undefined
}
export interface ViewHistoryEntry {
  readonly 'version-id': number
  readonly 'timestamp-ms': Long
  readonly [unknownField: string]: JsonValue | undefined
}
export interface ViewMetadata {
  readonly 'view-uuid': string
  readonly 'format-version': number
  readonly location: string
  readonly schemas: readonly Schema[]
  readonly 'current-version-id': number
  readonly versions: readonly ViewVersion[]
  readonly 'version-log': readonly ViewHistoryEntry[]
  readonly properties: Readonly<Record<string, string>>
  readonly [unknownField: string]: JsonValue | undefined
}
export declare function parseViewMetadata(input: Uint8Array | JsonValue): ViewMetadata
export declare function serializeViewMetadata(metadata: ViewMetadata): string
