import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  compressionCodec,
  decodeMetadataFile,
  encodeMetadataFile,
  metadataDirectory,
  metadataFileName,
  nextVersion,
} from '../../src/iceberg/metadata-file.ts'
import { refsOnly } from '../../src/iceberg/refs-only.ts'
import { addSnapshot, changed, refuses, setRef, snapshot, table, UUID } from './metadata.ts'

describe('names of metadata files', () => {
  it('have five digits and the codec', () => {
    assert.equal(metadataFileName(3, UUID, 'none'), `00003-${UUID}.metadata.json`)
    assert.equal(metadataFileName(123_456, UUID, 'gzip'), `123456-${UUID}.gz.metadata.json`)
  })
  const versions: [string | undefined, number][] = [
    [undefined, 0],
    [`s3://b/t/metadata/00003-${UUID}.metadata.json`, 4],
    [`s3://b/00009-x/metadata/00010-${UUID}.gz.metadata.json`, 11],
    [`00003-${UUID}.metadata.json.gz`, 4],
    ['s3://b/t/metadata/v7.metadata.json', 0],
    ['s3://b/t/metadata/x-y.metadata.json', 0],
    ['s3://b/t/metadata/99999999999-y.metadata.json', 0],
    ['s3://b/t/metadata/2147483647-y.metadata.json', 0],
  ]
  for (const [location, version] of versions)
    it(`${location} is followed by ${version}`, () => assert.equal(nextVersion(location), version))
  it('lie below the table, or where it says', () => {
    assert.equal(metadataDirectory({ location: 's3://b/t/' }), 's3://b/t/metadata')
    assert.equal(metadataDirectory({ location: 's3://b/t', properties: { 'write.metadata.path': 's3://b/m//' } }), 's3://b/m')
    assert.equal(metadataDirectory({ location: 's3://b/t', properties: {} }), 's3://b/t/metadata')
  })
})

describe('compressionCodec', () => {
  it('is none, unless the table wants gzip', () => {
    assert.equal(compressionCodec({}), 'none')
    for (const [value, codec] of [
      ['none', 'none'],
      ['NONE', 'none'],
      ['gzip', 'gzip'],
      ['GZip', 'gzip'],
    ] as const) {
      assert.equal(compressionCodec({ 'write.metadata.compression-codec': value }), codec)
    }
    refuses(() => compressionCodec({ 'write.metadata.compression-codec': 'lz4' }), 400, /none or gzip, got lz4/)
  })
})

describe('decodeMetadataFile', () => {
  const limits = { maxInflatedBytes: 1000 }
  const text = '{"ünïcode":1}'
  const bytes = Buffer.from(text)
  it('reads both gzip names and plain files', () => {
    for (const name of ['00001-x.gz.metadata.json', '00001-x.metadata.json.gz']) {
      assert.equal(Buffer.from(decodeMetadataFile(`s3://b/${name}`, encodeMetadataFile(bytes, 'gzip'), limits)).toString(), text)
    }
    assert.equal(Buffer.from(decodeMetadataFile('v1.metadata.json', encodeMetadataFile(bytes, 'none'), limits)).toString(), text)
  })
  it('stops at its limit', () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    refuses(() => decodeMetadataFile('a.gz.metadata.json', bomb, limits), 400, /larger than 1000 bytes/)
    refuses(() => decodeMetadataFile('a.metadata.json', Buffer.alloc(1001), limits), 400, /larger than 1000 bytes/)
    assert.equal(decodeMetadataFile('a.gz.metadata.json', gzipSync(Buffer.alloc(1000)), limits).length, 1000)
  })
  it('refuses what is no metadata file', () => {
    refuses(() => decodeMetadataFile('s3://b/passwd', Buffer.from(text), limits), 400, /not a valid metadata file/)
    refuses(
      () => decodeMetadataFile('s3://b/x.metadata.json/passwd', Buffer.from(text), limits),
      400,
      /not a valid metadata file/,
    )
    refuses(() => decodeMetadataFile('a.gz.metadata.json', Buffer.from(text), limits), 400, /not a valid gzip file/)
    refuses(() => decodeMetadataFile('a.gz.metadata.json', gzipSync('{}').subarray(0, 12), limits), 400, /not a valid gzip file/)
  })
})

describe('refsOnly', () => {
  it('keeps the snapshots that are named, and everything else', () => {
    const parts = [1, 2, 3, 4].map((id) => addSnapshot(snapshot(id, { 'sequence-number': id })))
    const metadata = changed(table(), [...parts, setRef(4), setRef(2, 'v', { type: 'tag' })])
    assert.deepEqual(
      refsOnly(metadata).snapshots.map((one) => one['snapshot-id']),
      [2, 4],
    )
    assert.deepEqual({ ...refsOnly(metadata), snapshots: [] }, { ...metadata, snapshots: [] })
    assert.equal(refsOnly(table()).snapshots.length, 0)
  })
})
