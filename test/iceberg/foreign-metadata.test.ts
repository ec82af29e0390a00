/** Metadata files that somebody else wrote and that are to become tables and views as they lie. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse, stringify, type JsonValue } from '../../src/iceberg/json.ts'
import { parseForeignTableMetadata, parseTableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseForeignViewMetadata } from '../../src/iceberg/view-metadata.ts'
import { FIELD, OURS, TABLE_FAULTS, TABLE_NULLS, tableFile, TABLES, type Json } from './foreign-files.ts'
import { LOCATION, NOW, refuses, SCHEMA, UUID } from './metadata.ts'

const readTable = (fields: Json) => parseForeignTableMetadata(parse(tableFile(fields)))

describe('a table that somebody else wrote', () => {
  for (const [what, fields] of TABLES) it(`takes ${what}`, () => void readTable(fields))
  for (const [what, fields, message] of [...TABLE_FAULTS, ...OURS])
    it(`refuses ${what}`, () => refuses(() => readTable(fields), 400, message))
  for (const [where, fields, taken] of TABLE_NULLS) {
    if (taken) it(`takes null for absent: ${where}`, () => void readTable(fields))
    else it(`refuses null: ${where}`, () => refuses(() => readTable(fields), 400, /./))
  }
  it('is read all the same once it is a table', () => {
    const broken = { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, name: 'data' }] }] }
    assert.equal(parseTableMetadata(parse(tableFile(broken))).location, LOCATION)
  })
})

const QUERY = { type: 'sql', sql: 'select 1', dialect: 'spark' }
const VERSION = {
  'version-id': 1,
  'timestamp-ms': NOW,
  'schema-id': 0,
  summary: {},
  representations: [QUERY],
  'default-namespace': ['a'],
}
const VIEW = {
  'view-uuid': UUID,
  'format-version': 1,
  location: LOCATION,
  'current-version-id': 1,
  versions: [VERSION],
  'version-log': [{ 'timestamp-ms': NOW, 'version-id': 1 }],
  schemas: [SCHEMA],
  properties: {},
}
const readView = (fields: Json) => parseForeignViewMetadata(parse(stringify({ ...VIEW, ...fields } as unknown as JsonValue)))
const inVersion = (fields: Json) => ({ versions: [{ ...VERSION, ...fields }] })

describe('a view that somebody else wrote', () => {
  it('is taken', () => void readView({}))
  it('may have null as default catalog', () =>
    assert.equal(Object.hasOwn(readView(inVersion({ 'default-catalog': null })).versions[0]!, 'default-catalog'), false))
  it('may have no properties, but not null', () => {
    readView({ properties: undefined })
    refuses(() => readView({ properties: null }), 400, /properties is null/)
  })
  for (const key of ['summary', 'representations', 'default-namespace'])
    it(`has ${key}`, () => refuses(() => readView(inVersion({ [key]: null })), 400, new RegExp(key)))
  it('has a query in each version', () => {
    refuses(() => readView(inVersion({ representations: [] })), 400, /at least one representation/)
    refuses(() => readView({ versions: [VERSION, { ...VERSION, 'version-id': 2, representations: [] }] }), 400, /version 2/)
  })
})
