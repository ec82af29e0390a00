/**
 * What the routes that read a body ask and allow before they do. A caller that may not do what a request is
 * for is refused by the path alone, and a body that is larger than its kind of request needs by its size. Neither costs more
 * than a look at the headers.
 */
import {
  assertMayTouch,
  assertMayCommitTo,
  assertMayPlaceIn,
  assertMayTouchNamespace,
  type EntryAction,
} from '../catalog/authorize.ts'
import type { CatalogContext } from '../catalog/call.ts'
import type { Soon } from '../catalog/soon.ts'
import type { Exchange } from './exchange.ts'

export interface RequestBody {
  /** Largest size in bytes, inflated. Absent: what the setting allows (`PANGOLIN_MAX_BODY_BYTES`), as for commits to tables. */
  readonly most?: number
  /** Throws 403 or 404 where the caller may not do this with what the path names, whatever the body says. */
  readonly asks: (context: CatalogContext, exchange: Exchange) => Soon<void>
}

const KILOBYTE = 1024
/** Names of things, credentials, settings. */
const SMALL = 64 * KILOBYTE
/** Settings of warehouses and catalogs. */
const SETTINGS = 256 * KILOBYTE
/** A table of ten thousand columns; a view with the text of its queries. */
const CREATION = 1024 * KILOBYTE
/** A metrics report. */
const REPORT = 1024 * KILOBYTE
/** All properties of a namespace; a request to the storage that names a thousand files. */
const PROPERTIES = 2048 * KILOBYTE

/** The object is in the body, or the door has asked all that there is to ask. */
const nothing = (): void => undefined

export const small: RequestBody = { most: SMALL, asks: nothing }
export const settings: RequestBody = { most: SETTINGS, asks: nothing }
export const newNamespace: RequestBody = { most: PROPERTIES, asks: nothing }
export const anySignature: RequestBody = { most: PROPERTIES, asks: nothing }
export const transaction: RequestBody = { asks: nothing }

export const namespaceChange: RequestBody = {
  most: PROPERTIES,
  asks: (context, { asking, namespace }) => assertMayTouchNamespace(context, asking, 'namespace.update', namespace),
}
export const signature: RequestBody = {
  most: PROPERTIES,
  asks: (context, { asking, identifier }) => assertMayTouch(context, asking, 'table.read', identifier),
}
export const report: RequestBody = {
  most: REPORT,
  asks: (context, { asking, identifier }) => assertMayTouch(context, asking, 'table.metrics', identifier),
}
export const smallFor = (action: EntryAction): RequestBody => ({
  most: SMALL,
  asks: (context, { asking, identifier }) => assertMayTouch(context, asking, action, identifier),
})
export const registration = (action: 'table.create' | 'view.create'): RequestBody => ({
  most: SMALL,
  asks: (context, { asking, namespace }) => assertMayPlaceIn(context, asking, action, namespace),
})
export const creation = (action: 'table.create' | 'view.create'): RequestBody => ({
  most: CREATION,
  asks: (context, { asking, namespace }) => assertMayPlaceIn(context, asking, action, namespace),
})
export const tableCommit: RequestBody = {
  asks: (context, { asking, identifier }) => assertMayCommitTo(context, asking, identifier),
}
export const viewCommit: RequestBody = {
  most: CREATION,
  asks: (context, { asking, identifier }) => assertMayTouch(context, asking, 'view.commit', identifier),
}
