/** The changes that a commit may ask of a table or a view: one schema per action, read into one closed union. */
import type { JsonValue } from './json.ts'
export type TableUpdate = { readonly action: string }
export declare function parseTableUpdates(json: JsonValue): TableUpdate[]
