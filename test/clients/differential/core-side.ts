/** Our core as a side of a comparison, within this process: what `src/catalog` does with a request, less the store. */
import { newTableMetadata } from '../../../src/iceberg/create-table.ts'
import { newViewMetadata } from '../../../src/iceberg/create-view.ts'
import { IcebergError } from '../../../src/iceberg/errors.ts'
import { parse, type JsonValue } from '../../../src/iceberg/json.ts'
import { commitTable } from '../../../src/iceberg/table-commit.ts'
import { joinParts, type JsonParts } from '../../../src/iceberg/json-parts.ts'
import { parseTableMetadata, serializeTableMetadata, type TableMetadata } from '../../../src/iceberg/table-metadata.ts'
import { parseTableRequirements, parseViewRequirements } from '../../../src/iceberg/table-requirement.ts'
import { parseTableUpdates } from '../../../src/iceberg/table-update.ts'
import { commitView } from '../../../src/iceberg/view-commit.ts'
import { parseViewMetadata, serializeViewMetadata, type ViewMetadata } from '../../../src/iceberg/view-metadata.ts'
import { parseViewUpdates } from '../../../src/iceberg/view-update.ts'
import type { Json } from './columns.ts'
import type { Outcome } from './compare.ts'
import { body, type MakeSide } from './sides.ts'

const UUID = '7f8c54b2-4a3d-4d3b-9a55-0a2f6d3c1b11'

/** Metadata is written and read again after each step. */
export const coreSide: MakeSide = (kind) => {
  let file: string | undefined
  let version = 0
  const attempt = (make: () => string): Outcome => {
    try {
      file = make()
      return { status: 200, message: '', metadata: parse(file) as Json }
    } catch (error) {
      // Anything else is a bug of ours, which the comparison reports as a failed answer.
      if (!(error instanceof IcebergError)) return { status: 500, message: String((error as Error).stack) }
      return { status: error.code, message: `${error.type}: ${error.message}` }
    }
  }
  const request = (json: Json): Json => parse(body(json, file === undefined ? undefined : (parse(file) as Json))) as Json
  return {
    create: async (json) => attempt(() => (kind === 'table' ? createTable(request(json)) : createView(request(json)))),
    commit: async (json) =>
      attempt(() => {
        const previous = `file:/previous/${version++}.metadata.json`
        return kind === 'table' ? commitToTable(file!, request(json), previous) : commitToView(file!, request(json))
      }),
  }
}

function createTable(request: Json): string {
  const table = newTableMetadata({
    uuid: UUID,
    location: request['location'],
    schema: request['schema'],
    spec: request['partition-spec'],
    order: request['write-order'],
    properties: request['properties'],
    now: Date.now(),
  })
  return text(serializeTableMetadata(table))
}

function commitToTable(file: string, request: Json, previousMetadataLocation: string): string {
  const base: TableMetadata = parseTableMetadata(parse(file))
  const commit = {
    requirements: parseTableRequirements(request['requirements'] as JsonValue),
    updates: parseTableUpdates(request['updates']),
  }
  return text(
    serializeTableMetadata(commitTable(base, commit, { now: Date.now(), newUuid: UUID, previousMetadataLocation }).metadata),
  )
}

function createView(request: Json): string {
  const { location, schema, properties } = request
  return text(
    serializeViewMetadata(
      newViewMetadata({ uuid: UUID, location, schema, viewVersion: request['view-version'], properties, now: Date.now() }),
    ),
  )
}

function commitToView(file: string, request: Json): string {
  const base: ViewMetadata = parseViewMetadata(parse(file))
  const commit = {
    requirements: parseViewRequirements(request['requirements'] as JsonValue),
    updates: parseViewUpdates(request['updates'] as JsonValue),
  }
  return text(serializeViewMetadata(commitView(base, commit, { now: Date.now() }).metadata))
}

const text = (written: JsonParts): string => joinParts(written).toString()
