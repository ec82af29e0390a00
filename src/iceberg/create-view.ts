/** Metadata of a new view. The first version gets id 1 and the one schema id 0, whatever was sent. */
import { readShape } from './document.ts'
import { applyViewUpdate, closeViewDraft, openViewDraft } from './view-commit.ts'
import type { CheckLocation } from './table-properties.ts'
import type { ViewMetadata } from './view-metadata.ts'
import { ViewVersionShape } from './view-version.ts'

export interface NewView {
  readonly uuid: string
  readonly location: string
  /** As the client sent them. */
  readonly schema: unknown
  readonly viewVersion: unknown
  readonly properties: Readonly<Record<string, string>>
  readonly now: number
  readonly checkLocation?: CheckLocation | undefined
}

/** @throws IcebergError 400 naming what is wrong */
export function newViewMetadata(view: NewView): ViewMetadata {
  const sent = readShape(ViewVersionShape, view.viewVersion, 'view-version')
  const draft = openViewDraft(undefined, view)
  applyViewUpdate(draft, { action: 'assign-uuid', uuid: view.uuid })
  applyViewUpdate(draft, { action: 'set-location', location: view.location })
  applyViewUpdate(draft, { action: 'set-properties', updates: view.properties })
  applyViewUpdate(draft, { action: 'add-schema', schema: view.schema as Readonly<Record<string, unknown>> })
  applyViewUpdate(draft, { action: 'add-view-version', 'view-version': { ...sent, 'version-id': 1, 'schema-id': -1 } })
  applyViewUpdate(draft, { action: 'set-current-view-version', 'view-version-id': -1 })
  return closeViewDraft(draft)
}
