/** Metadata of a new view. */
import type { Schema } from './schema.ts'
import type { ViewMetadata, ViewVersion } from './view-metadata.ts'
export interface NewView {
  readonly uuid: string
  readonly location: string
  readonly schema: Schema | object
  readonly viewVersion: ViewVersion | object
  readonly properties: Readonly<Record<string, string>>
  readonly now: number
  readonly checkLocation?: (location: string, what: string) => void
}
export declare function newViewMetadata(view: NewView): ViewMetadata
