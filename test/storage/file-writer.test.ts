/** The threads that make files: many at once, what one could not do, and what becomes of the rest when one is lost. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { createFile, makeFolder } from '../../src/storage/file-writer-threads.ts'

const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'pangolin-files-')))
after(() => fs.rmSync(folder, { recursive: true, force: true }))
const workers = new Set<Worker>()
process.on('worker', (worker) => {
  workers.add(worker)
  worker.once('exit', () => workers.delete(worker))
})

test('files that are made at once are all whole, whatever befalls one of them', async () => {
  fs.writeFileSync(path.join(folder, '7'), 'was there')
  const sizes = Array.from({ length: 60 }, (_, at) => (at % 5 === 0 ? 3_000_000 + at : at))
  const made = await Promise.allSettled(
    sizes.map((size, at) =>
      createFile(folder, path.join(folder, at % 2 === 0 ? `new/${at}/deep` : '', String(at)), Buffer.alloc(size, at)),
    ),
  )
  const failed = made.flatMap((outcome, at) => (outcome.status === 'rejected' ? [{ at, code: outcome.reason.code }] : []))
  assert.deepEqual(failed, [{ at: 7, code: 'EEXIST' }])
  for (const [at, size] of sizes.entries()) {
    const bytes = fs.readFileSync(path.join(folder, at % 2 === 0 ? `new/${at}/deep` : '', String(at)))
    assert.ok(at === 7 ? String(bytes) === 'was there' : bytes.equals(Buffer.alloc(size, at)), `file ${at}`)
  }
  assert.ok(workers.size >= 1 && workers.size <= 4, `${workers.size} threads`)
})

test('a request that can not be sent is refused, and the next one is answered', async () => {
  await assert.rejects(createFile(folder, path.join(folder, 'no-bytes'), (() => 1) as never), /could not be cloned/)
  await makeFolder(folder, path.join(folder, 'a', 'b'))
  await makeFolder(folder, path.join(folder, 'a', 'b'))
  assert.ok(fs.statSync(path.join(folder, 'a', 'b')).isDirectory())
  await assert.rejects(makeFolder(folder, path.join(folder, '7', 'below-a-file')), { code: 'ENOTDIR' })
})

test('what a lost thread had under way has failed, and another thread takes over', async () => {
  const before = [...workers]
  const under = Array.from({ length: 8 }, (_, at) =>
    createFile(folder, path.join(folder, `lost-${at}`), Buffer.alloc(10_000_000)),
  )
  const outcomes = Promise.allSettled(under)
  await Promise.all(before.map((worker) => worker.terminate()))
  for (const outcome of await outcomes) {
    if (outcome.status === 'rejected') assert.match(String(outcome.reason), /thread that writes files was lost/)
  }
  assert.ok((await outcomes).some(({ status }) => status === 'rejected'))
  await createFile(folder, path.join(folder, 'after'), Buffer.from('after'))
  assert.equal(fs.readFileSync(path.join(folder, 'after'), 'utf8'), 'after')
})

test(
  'a file that could not be written whole is not left behind',
  { skip: process.platform === 'win32' && 'needs a limit on the size of files, of a Unix shell' },
  () => {
    const module = new URL('../../src/storage/file-writer-threads.ts', import.meta.url)
    const script = `
      const { createFile } = await import(${JSON.stringify(module)})
      await createFile(${JSON.stringify(folder)}, ${JSON.stringify(path.join(folder, 'small'))}, Buffer.alloc(1000))
      await createFile(${JSON.stringify(folder)}, ${JSON.stringify(path.join(folder, 'large'))}, Buffer.alloc(1000000)).catch((error) => console.log(error.code))`
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
    const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -f 16; exec "$@"', 'sh', ...command], { encoding: 'utf8' })
    assert.equal(stdout, 'EFBIG\n', stderr)
    assert.deepEqual([fs.existsSync(path.join(folder, 'small')), fs.existsSync(path.join(folder, 'large'))], [true, false])
  },
)
