/** Updates of a table's schemas. Each function answers whether it changed the draft. */
import { highest } from '../document.ts'
import { badRequest, validationFailed } from '../errors.ts'
import { checkSpecNames } from '../layout.ts'
import { checkReusedIds, checkSchema, highestFieldId } from '../schema.ts'
import { writtenSchema } from '../schema-form.ts'
import { SchemaHistory } from '../schema-history.ts'
import type { UpdateOf } from '../table-update.ts'
import type { Draft } from './draft.ts'
import { removeDanglingRefs } from './references.ts'

/** An equal schema is reused; any other gets the next id, whatever id was sent. */
export function addSchema(draft: Draft, update: UpdateOf<'add-schema'>): boolean {
  checkSchema(update.schema, draft.formatVersion)
  const schema = writtenSchema(update.schema)
  // The deprecated last-column-id is not asked: Java clients send the highest id of this schema, which is lower than the
  // table's last one when they drop the newest column.
  const lastColumnId = Math.max(draft.lastColumnId, highestFieldId(schema))
  const grown = lastColumnId !== draft.lastColumnId
  const history = (draft.schemaHistory ??= new SchemaHistory(draft.schemas.values()))
  const existing = history.same(schema)
  draft.lastColumnId = lastColumnId
  if (existing !== undefined) {
    draft.lastAddedSchemaId = existing['schema-id']
    return grown
  }
  removeDanglingRefs(draft)
  // Without a current snapshot there are no rows to misread: a replacement keeps the ids of columns by name, whatever their type.
  if (draft.currentSnapshotId !== undefined) {
    const current = draft.schemas.get(draft.currentSchemaId)
    checkReusedIds((id) => history.definition(id, current), schema, draft.formatVersion)
  }
  const id = highest(draft.schemas.keys(), -1) + 1
  const added = { ...schema, 'schema-id': id }
  draft.schemas.set(id, added)
  history.add(added)
  draft.removedSchemaIds.delete(id)
  draft.lastAddedSchemaId = id
  return true
}

export function setCurrentSchema(draft: Draft, update: UpdateOf<'set-current-schema'>): boolean {
  const asked = update['schema-id']
  const id = asked === -1 ? draft.lastAddedSchemaId : asked
  if (id === undefined) throw validationFailed('Cannot set last added schema: no schema has been added')
  const schema = draft.schemas.get(id)
  if (schema === undefined) throw badRequest(`Cannot set current schema to unknown schema: ${id}`)
  if (draft.currentSchemaId === id) return false
  // At once, as the reference does; that all suits the schema otherwise is judged when the commit is whole.
  for (const spec of draft.specs.values()) checkSpecNames(spec, schema)
  draft.currentSchemaId = id
  return true
}

export function removeSchemas(draft: Draft, update: UpdateOf<'remove-schemas'>): boolean {
  const ids = new Set(update['schema-ids'])
  if (ids.has(draft.currentSchemaId)) throw badRequest('Cannot remove the current schema')
  let changed = false
  for (const id of ids) {
    if (!draft.schemas.delete(id)) continue
    changed = true
    draft.schemaHistory = undefined
    draft.removedSchemaIds.add(id)
    if (draft.lastAddedSchemaId === id) draft.lastAddedSchemaId = undefined
  }
  return changed
}

/** Judged at the end of a commit: the same commit may remove the snapshots too. */
export function checkRemovedSchemas(draft: Draft): void {
  if (draft.removedSchemaIds.size === 0) return
  for (const snapshot of draft.snapshots.values()) {
    const id = snapshot['schema-id']
    if (id !== undefined && draft.removedSchemaIds.has(id)) {
      throw validationFailed(`Cannot remove schema ${id}: snapshot ${snapshot['snapshot-id']} was written with it`)
    }
  }
}
