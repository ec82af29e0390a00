/** Changes of a catalog and their undo, for the tests of it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { listCommits, type Commit } from '../../src/catalog/history.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import { undo, type UndoAnswer } from '../../src/catalog/undo/undo.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { bodyOf, ident, type Fixture, type Loose } from './setup.ts'

export const log = async ({ context, call }: Fixture): Promise<readonly Commit[]> =>
  (await listCommits(context, call, { pageSize: 1000 })).commits

/** The change that was made last. */
export const last = async (fixture: Fixture): Promise<string> => (await log(fixture))[0]!.id

export const undoOf = (fixture: Fixture, change: string, dryRun = false): Promise<UndoAnswer> =>
  undo(fixture.context, fixture.call, { change, dryRun })

export const undoLast = async (fixture: Fixture): Promise<UndoAnswer> => undoOf(fixture, await last(fixture))

export const loaded = async ({ context, call }: Fixture, name: string, namespace = 'ns'): Promise<Loose> =>
  bodyOf(await loadTable(context, call, ident(name, namespace))).metadata

export const commit = async ({ context, call }: Fixture, name: string, updates: readonly object[]): Promise<Loose> =>
  bodyOf(await updateTable(context, call, ident(name), { requirements: [], updates: updates as never })).metadata

/** An append whose manifest list is on the disk. */
export async function append(fixture: Fixture, name: string, id: number): Promise<Loose> {
  const metadata = await loaded(fixture, name)
  const file = `${metadata.location}/metadata/snap-${id}.avro`
  const onDisk = fileURLToPath(file)
  mkdirSync(path.dirname(onDisk), { recursive: true })
  writeFileSync(onDisk, 'list')
  const snapshot = {
    'snapshot-id': id,
    ...(metadata['current-snapshot-id'] !== -1 && { 'parent-snapshot-id': metadata['current-snapshot-id'] }),
    'sequence-number': metadata['last-sequence-number'] + 1,
    'timestamp-ms': fixture.context.now(),
    'manifest-list': file,
    summary: { operation: 'append' },
    'schema-id': metadata['current-schema-id'],
  }
  const ref = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id }
  return commit(fixture, name, [{ action: 'add-snapshot', snapshot }, ref])
}

export const rowOf = (fixture: Fixture, name: string, namespace = 'ns') => {
  const { tenantId: tenant_id, id: catalog_id, branch } = fixture.catalog
  return fixture.store.get('entries', { tenant_id, catalog_id, branch, namespace, name })
}

/** All that a change could change, but the log. */
export async function state({ store, files }: Fixture): Promise<unknown> {
  const rows = ['entries', 'namespaces', 'dropped', 'protections', 'places', 'tasks', 'idempotency', 'tenants'] as const
  const lists = await Promise.all(rows.map((entity) => store.list(entity, { index: 'primary', where: {}, limit: 1000 })))
  return { lists, files: files().toSorted() }
}
