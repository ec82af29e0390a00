/** The updates that a commit to a view may carry: eight of the table's actions. */
import type { JsonValue } from './json.ts'
export type ViewUpdate = { readonly action: string }
export declare function parseViewUpdates(json: JsonValue): ViewUpdate[]
