/** What a server for the MongoDB engine is proven with: the very requests that the protocol decides batches by. */
import type { Db, Document } from 'mongodb'
import { prove } from '../proof.ts'
import type { Arena } from '../proof.ts'
import type { Documents, Operation } from './documents.ts'
import { SCHEMA } from './migrate.ts'
import type { SchemaDocument } from './migrate.ts'

/** Holds a document only while a server is proven. */
const PROBE = 'probe'

const contentOf = (version: number) => ({ v: version, c: {}, i: {} })

function arenaOf(documents: Documents): Arena {
  const apply = async (operation: Operation): Promise<boolean> => (await documents.apply([operation]))[0] === true
  return {
    insert: (key, version) => apply({ op: 'insert', collection: PROBE, document: { _id: key, ...contentOf(version) } }),
    replace: (key, expected, version) =>
      apply({
        op: 'update',
        collection: PROBE,
        where: { id: key, version: expected, mark: null, reader: null },
        change: { content: contentOf(version) },
      }),
    remove: (key, expected) => apply({ op: 'remove', collection: PROBE, where: { id: key, version: expected } }),
    read: async (key) => (await documents.find(PROBE, key))?.v,
    set: {
      add: (key, member) => apply({ op: 'update', collection: PROBE, where: { id: key }, change: { addReader: member } }),
      size: async (key) => (await documents.find(PROBE, key))?.r?.length ?? 0,
    },
  }
}

/** What a server says of itself: of another one, or of another version, nothing was proven. */
async function describeServer(db: Db): Promise<string> {
  const { version, gitVersion, ferretdbVersion } = (await db.admin().command({ buildInfo: 1 })) as Document
  return [version, gitVersion, ferretdbVersion].filter((part) => typeof part === 'string').join(' ')
}

/** @throws StoreError `unavailable` when two of concurrent changes win */
export const proveMongo = (documents: Documents): Promise<void> => prove(arenaOf(documents), 'The server for MongoDB')

/** Proves the server unless that was done from this database. @throws StoreError */
export async function proveOnce(db: Db, documents: Documents): Promise<void> {
  const schema = db.collection<SchemaDocument>(SCHEMA)
  const server = await describeServer(db)
  if ((await schema.findOne({ _id: SCHEMA }))?.proven === server) return
  await proveMongo(documents)
  await schema.updateOne({ _id: SCHEMA }, { $set: { proven: server } })
}
