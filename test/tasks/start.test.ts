/** The tasks put together, on each kind of storage. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { openS3Store } from '../../src/storage/s3.ts'
import type { ObjectStore } from '../../src/storage/storage.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { startTasks } from '../../src/tasks/start.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { newLake, removeLakes, taskRow, writeTable } from './tables.ts'

after(async () => {
  removeLakes()
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

async function s3Lake(test: TestContext): Promise<{ root: string; storage: ObjectStore } | undefined> {
  const minio = requireService(test, await startMinio())
  if (!minio) return undefined
  const root = canonicalLocation(`s3://lake-${randomUUID().slice(0, 8)}`)
  await minio.createBucket(root.slice('s3://'.length))
  const { endpoint, region, accessKey: accessKeyId, secretKey: secretAccessKey } = minio
  return {
    root,
    storage: openS3Store({ root, region, endpoint, pathStyle: true, credentials: { accessKeyId, secretAccessKey } }),
  }
}

async function filesOf({ root, storage }: { root: string; storage: ObjectStore }): Promise<string[]> {
  const found = []
  for await (const { location } of storage.list(`${root}/`)) found.push(location)
  return found.sort()
}

describe('startTasks', () => {
  const kinds = { file: async () => newLake(), s3: s3Lake }
  for (const [kind, open] of Object.entries(kinds)) {
    it(`purges a dropped table on ${kind} soon after it was told`, async (test) => {
      const lake = await open(test)
      if (!lake) return
      const store = openMemoryStore()
      await writeTable(lake, 'ns/t2')
      const others = await filesOf(lake)
      const { location, metadataLocation } = await writeTable(lake, 'ns/t')
      const asked: string[] = []
      const tasks = startTasks({
        store,
        now: () => Date.now(),
        log: () => {},
        openStorageFor: async (tenantId, warehouseName) => {
          asked.push(`${tenantId}/${warehouseName}`)
          return lake
        },
      })
      try {
        await store.write([
          {
            op: 'insert',
            entity: 'tasks',
            row: taskRow(
              'purge-table',
              { warehouse_name: 'w1', entry_id: 'e1', location, metadata_location: metadataLocation },
              { due_at: Date.now() },
            ),
          },
        ])
        tasks.stored()
        for (let i = 0; i < 500 && (await store.list('tasks', { index: 'by_due', where: {}, limit: 1 })).length > 0; i += 1)
          await sleep(20)
        assert.deepEqual(await filesOf(lake), others)
        assert.deepEqual(asked, ['t1/w1'])
      } finally {
        await tasks.stop()
        await lake.storage.close()
      }
    })
  }
})
