/** The updates that a commit to a view may carry: eight of the actions there are. */
import { badRequest } from './errors.ts'
import { parseUpdates, type AnyUpdate, type UpdateAction, type UpdateOf } from './table-update.ts'

const VIEW_ACTIONS = [
  'assign-uuid',
  'upgrade-format-version',
  'add-schema',
  'set-location',
  'set-properties',
  'remove-properties',
  'add-view-version',
  'set-current-view-version',
] as const satisfies readonly UpdateAction[]

type ViewAction = (typeof VIEW_ACTIONS)[number]
export type ViewUpdate = { [A in ViewAction]: UpdateOf<A> }[ViewAction]

function isViewUpdate(update: AnyUpdate): update is ViewUpdate {
  return (VIEW_ACTIONS as readonly string[]).includes(update.action)
}

/** @throws IcebergError 400, also for the actions that only tables have */
export function parseViewUpdates(json: unknown): ViewUpdate[] {
  return parseUpdates(json).map((update) => {
    if (!isViewUpdate(update)) throw badRequest(`Cannot apply update ${update.action} to a view`)
    return update
  })
}
