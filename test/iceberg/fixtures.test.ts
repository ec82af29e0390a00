/** Metadata files of other implementations, which parse, or fail, as their names say. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse, stringify, type JsonObject } from '../../src/iceberg/json.ts'
import { parseForeignTableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseForeignViewMetadata } from '../../src/iceberg/view-metadata.ts'
import { refuses, tableText, viewText } from './metadata.ts'

const SHARED = process.env['PANGOLIN_SHARED'] || join(import.meta.dirname, '..', '..', '..', 'shared')
const FOLDER = join(SHARED, 'fixtures')

/** File to a word of the message. A file that is not here must parse. */
const FAULTS: Readonly<Record<string, RegExp>> = {
  'iceberg/TableMetadataUnsupportedVersion.json': /Unsupported format version: v42/,
  'iceberg/TableMetadataV1MissingSchemaType.json': /type "struct"/,
  'iceberg/TableMetadataV2CurrentSchemaNotFound.json': /last-partition-id/,
  'iceberg/TableMetadataV2MissingLastPartitionId.json': /last-partition-id/,
  'iceberg/TableMetadataV2MissingPartitionSpecs.json': /partition-specs/,
  'iceberg/TableMetadataV2MissingSchemas.json': /schemas/,
  'iceberg/TableMetadataV2MissingSortOrder.json': /sort-orders/,
  'iceberg/view/ViewMetadataInvalidCurrentSchema.json': /current schema with id 1234/,
  'iceberg/view/ViewMetadataInvalidCurrentVersion.json': /current version 1234/,
  'iceberg/view/ViewMetadataMissingCurrentVersion.json': /current-version-id/,
  'iceberg/view/ViewMetadataMissingLocation.json': /location/,
  'iceberg-rust/TableMetadataUnsupportedVersion.json': /schemas/,
  'iceberg-rust/TableMetadataV1NoValidSchema.json': /current-schema-id/,
  'iceberg-rust/TableMetadataV2CurrentSchemaNotFound.json': /current-schema-id=2/,
  'iceberg-rust/TableMetadataV2MissingLastPartitionId.json': /last-partition-id/,
  'iceberg-rust/TableMetadataV2MissingPartitionSpecs.json': /partition-specs/,
  'iceberg-rust/TableMetadataV2MissingSchemas.json': /schemas/,
  'iceberg-rust/TableMetadataV2MissingSortOrder.json': /sort-orders/,
  'iceberg-rust/view_metadata/ViewMetadataUnsupportedVersion.json': /Unsupported format version: 2/,
  'iceberg-rust/view_metadata/ViewMetadataV1CurrentVersionNotFound.json': /current version 2/,
  'iceberg-rust/view_metadata/ViewMetadataV1MissingCurrentVersion.json': /current-version-id/,
  'iceberg-rust/view_metadata/ViewMetadataV1MissingSchema.json': /current-version-id/,
  'iceberg-rust/view_metadata/ViewMetadataV1SchemaNotFound.json': /schema with id 2/,
}

function files(folder: string): string[] {
  return readdirSync(join(FOLDER, folder)).flatMap((name) => {
    const path = `${folder}/${name}`
    return statSync(join(FOLDER, path)).isDirectory() ? files(path) : [path]
  })
}

/** Fields of the file that the written text lacks or has otherwise. Readers of v1 want some in the singular as well. */
function lost(file: JsonObject, written: JsonObject): string[] {
  const rewritten = ['snapshots', 'schemas', 'current-snapshot-id', 'partition-spec', 'schema', 'properties']
  return Object.keys(file).filter((key) => !rewritten.includes(key) && stringify(file[key]) !== stringify(written[key]))
}

const missing = existsSync(FOLDER) ? undefined : 'the metadata fixtures are not at hand (PANGOLIN_SHARED names their folder)'

describe('metadata files of other implementations', { skip: process.env['CI'] === 'true' ? false : missing }, () => {
  it('are at hand', () => assert.equal(missing, undefined))
  if (missing !== undefined) {
    console.warn(`SKIPPED: ${missing}`)
    return
  }
  for (const path of [...files('iceberg'), ...files('iceberg-rust')]) {
    const fault = FAULTS[path]
    const view = path.includes('view')
    const bytes = readFileSync(join(FOLDER, path))
    if (fault !== undefined) {
      it(`${path} is refused`, () =>
        refuses(() => (view ? parseForeignViewMetadata(parse(bytes)) : parseForeignTableMetadata(parse(bytes))), 400, fault))
      continue
    }
    it(`${path} is read and written without loss`, () => {
      const write = (input: Uint8Array): string =>
        view ? viewText(parseForeignViewMetadata(parse(input))) : tableText(parseForeignTableMetadata(parse(input)))
      const text = write(bytes)
      assert.deepEqual(lost(parse(bytes) as JsonObject, parse(text) as JsonObject), [])
      assert.equal(write(Buffer.from(text)), text)
    })
  }
})
