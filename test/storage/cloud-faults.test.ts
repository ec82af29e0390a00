/** Azure's and Google's object stores where the service, or the way to it, fails: answers that emulators never give. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, it, mock } from 'node:test'
import { createNew, withAttempts } from '../../src/storage/attempts.ts'
import { openObjectStore, rootLocation } from '../../src/storage/open.ts'
import { StorageError, type ObjectStore } from '../../src/storage/storage.ts'

const is =
  (kind: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof StorageError && error.kind === kind, String(error))
    assert.doesNotMatch(error.message, /hunter2|c2VjcmV0/)
    return true
  }

interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
  /** From 1. */
  readonly count: number
}
interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
  /** Ends the connection before the whole body went out. */
  readonly broken?: boolean
}
/** Nothing: the connection ends without an answer. */
type Handler = (asked: Asked) => Answer | undefined

async function against(
  config: (endpoint: string) => Record<string, string>,
  handler: Handler,
  run: (store: ObjectStore, root: string) => Promise<void>,
): Promise<number> {
  let count = 0
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      count += 1
      const url = new URL(request.url ?? '/', 'http://localhost')
      const answer = handler({ method: request.method ?? '', url, headers: request.headers, body, count })
      if (answer === undefined) return void request.socket.destroy()
      const length = Buffer.byteLength(answer.body ?? '')
      response.writeHead(answer.status, {
        'content-length': String(answer.broken ? length + 1 : length),
        etag: '"1"',
        ...answer.headers,
      })
      if (answer.broken !== true) return void response.end(request.method === 'HEAD' ? undefined : answer.body)
      response.write(answer.body, () => request.socket.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const storageConfig = config(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
  const store = openObjectStore({ storageConfig })
  try {
    await run(store, rootLocation({ storageConfig }))
  } finally {
    await store.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return count
}

interface Cloud {
  readonly title: string
  readonly config: (endpoint: string) => Record<string, string>
  readonly exists: Answer
  readonly noContainer: Answer
  /** Whether the request creates, and on condition that nothing is there. */
  readonly creates: (asked: Asked) => boolean
  readonly page: (names: readonly string[], next: string | undefined) => Answer
  readonly pageAsked: (asked: Asked) => string | null
}

const azureError = (status: number, code: string): Answer => ({
  status,
  headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`,
})
const blob = (name: string, metadata = ''): string =>
  `<Blob><Name>${name}</Name><Properties><Content-Length>1</Content-Length></Properties><Metadata>${metadata}</Metadata></Blob>`
const blobPage = (blobs: string, next = ''): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><EnumerationResults><Blobs>${blobs}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
})

const azure: Cloud = {
  title: 'Azure',
  config: (endpoint) => ({
    type: 'azure',
    container: 'lake',
    account_name: 'account',
    account_key: Buffer.from('secret').toString('base64'),
    blob_endpoint: `${endpoint}/account`,
  }),
  exists: azureError(409, 'BlobAlreadyExists'),
  noContainer: azureError(404, 'ContainerNotFound'),
  creates: ({ method, headers }) => method === 'PUT' && headers['if-none-match'] === '*',
  page: (names, next) => blobPage(names.map((name) => blob(name)).join(''), next),
  pageAsked: ({ url }) => url.searchParams.get('marker'),
}
const google: Cloud = {
  title: 'Google Cloud Storage',
  config: (endpoint) => ({ type: 'gcs', bucket: 'lake', no_auth: 'true', service_host: endpoint }),
  exists: { status: 412, body: '{"error":{"code":412}}' },
  noContainer: { status: 404, body: '{"error":{"code":404,"message":"The specified bucket does not exist."}}' },
  creates: ({ method, url }) => method === 'POST' && url.searchParams.get('ifGenerationMatch') === '0',
  page: (names, nextPageToken) => ({
    status: 200,
    body: JSON.stringify({ items: names.map((name) => ({ name, size: '1' })), nextPageToken }),
  }),
  pageAsked: ({ url }) => url.searchParams.get('pageToken'),
}

for (const { title, config, exists, noContainer, creates, page, pageAsked } of [azure, google]) {
  describe(`object store on ${title}, when things fail`, () => {
    it('takes an object for its own whose creation was answered by a broken connection', async () => {
      let object: string | undefined
      const handler: Handler = (asked) => {
        if (asked.method === 'GET') return { status: 200, body: object ?? '' }
        assert.ok(creates(asked))
        if (object !== undefined) return exists
        object = asked.body
        return asked.count === 1 ? undefined : { status: 201, body: '{}' }
      }
      await against(config, handler, async (store, root) => {
        await store.create(`${root}/x`, Buffer.from('mine'))
        assert.equal(object, 'mine')
        await assert.rejects(store.create(`${root}/x`, Buffer.from('mine')), is('exists'))
      })
    })

    it("does not take another's object for its own", async () => {
      const handler: Handler = ({ method, count }) => {
        if (method === 'GET') return { status: 200, body: 'theirs' }
        return count === 1 ? undefined : exists
      }
      await against(config, handler, (store, root) =>
        assert.rejects(store.create(`${root}/x`, Buffer.from('mine')), is('exists')),
      )
      await against(config, handler, (store, root) =>
        assert.rejects(store.create(`${root}/x`, Buffer.from('longer than it')), is('exists')),
      )
    })

    it('says that it does not know, where what is there can not be looked at', async () => {
      const handler: Handler = ({ method, count }) => (method === 'GET' || count === 1 ? undefined : exists)
      await against(config, handler, (store, root) =>
        assert.rejects(store.create(`${root}/x`, Buffer.from('mine')), is('unavailable')),
      )
    })

    it('tries again what failed on the way, and gives up in the end', async () => {
      const sometimes: Handler = ({ count }) => {
        if (count === 1) return { status: 503, body: 'busy' }
        if (count === 2) return undefined
        return { status: 200, body: 'whole', broken: count === 3 }
      }
      await against(config, sometimes, async (store, root) => {
        assert.equal(String(await store.read(`${root}/x`, { maxBytes: 10 })), 'whole')
      })
      const attempts = [
        (store: ObjectStore, root: string) => store.read(`${root}/x`, { maxBytes: 10 }),
        (store: ObjectStore, root: string) => store.create(`${root}/x`, Buffer.from('x')),
        (store: ObjectStore, root: string) => store.delete([`${root}/x`]),
      ]
      for (const attempt of attempts) {
        const count = await against(
          config,
          () => ({ status: 503 }),
          (store, root) => assert.rejects(attempt(store, root), is('unavailable')),
        )
        // One may have met a connection to a server that had the same port before.
        assert.ok(count === 3 || count === 4, String(count))
      }
    })

    it('does not repeat what was refused', async () => {
      for (const [status, kind] of [
        [401, 'forbidden'],
        [403, 'forbidden'],
        [400, 'invalid'],
      ] as const) {
        const count = await against(
          config,
          () => ({ status, body: 'hunter2' }),
          async (store, root) => {
            await assert.rejects(store.read(`${root}/x`, { maxBytes: 10 }), is(kind))
            await assert.rejects(store.create(`${root}/x`, Buffer.from('x')), is(kind))
          },
        )
        assert.equal(count, 2)
      }
      await against(
        config,
        () => noContainer,
        (store, root) => assert.rejects(store.read(`${root}/x`, { maxBytes: 10 }), is('invalid')),
      )
    })

    it('follows no redirection, which would get what is for the service alone', async () => {
      let strangers = 0
      const stranger = createServer((_request, response) => {
        strangers += 1
        response.end('{}')
      })
      await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
      const location = `http://127.0.0.1:${(stranger.address() as { port: number }).port}/`
      await against(
        config,
        () => ({ status: 302, headers: { location } }),
        async (store, root) => {
          await assert.rejects(store.read(`${root}/x`, { maxBytes: 10 }))
          await assert.rejects(store.create(`${root}/x`, Buffer.from('x')))
        },
      )
      assert.equal(strangers, 0)
      await new Promise((resolve) => stranger.close(resolve))
    })

    it('pages through listings', async () => {
      const handler: Handler = (asked) => {
        const at = Number(pageAsked(asked) ?? '0')
        return page([`t/${at}a`, `t/${at}b`], at < 3 ? String(at + 1) : undefined)
      }
      await against(config, handler, async (store, root) => {
        const found = []
        for await (const { location } of store.list(`${root}/t/`)) found.push(location.slice(root.length))
        assert.deepEqual(found, ['/t/0a', '/t/0b', '/t/1a', '/t/1b', '/t/2a', '/t/2b', '/t/3a', '/t/3b'])
      })
    })
  })
}

describe('object store on Azure, with a hierarchy (by a stand-in: no emulator has one)', () => {
  const FOLDER = '<hdi_isfolder>true</hdi_isfolder>'
  it('lists no folders, and removes those that are empty, the inner ones first', async () => {
    const deleted: string[] = []
    const handler: Handler = ({ method, url }) => {
      const name = decodeURIComponent(url.pathname.replace('/account/lake/', ''))
      if (method === 'GET')
        return blobPage(
          blob('t', FOLDER) +
            blob('t/data', FOLDER) +
            blob('t/data/p=1', FOLDER) +
            blob('t/data/full', FOLDER) +
            blob('t/data/full/f'),
        )
      if (method === 'HEAD') return { status: 200, headers: { 'x-ms-meta-hdi_isfolder': 'true' } }
      deleted.push(name)
      return ['t/data/full', 't/data', 't'].includes(name) ? azureError(409, 'DirectoryIsNotEmpty') : { status: 202 }
    }
    await against(azure.config, handler, async (store, root) => {
      const found = []
      for await (const { location } of store.list(`${root}/t/`)) found.push(location.slice(root.length))
      assert.deepEqual(found, ['/t/data/full/f'])
      await store.delete([`${root}/t/`])
      assert.deepEqual(
        deleted.map((name) => name.split('/').length),
        deleted.map((name) => name.split('/').length).toSorted((a, b) => b - a),
      )
      assert.ok(deleted.includes('t/data/p=1') && deleted.includes('t') && !deleted.includes('t/data/full/f'))
    })
  })

  it('deletes no file whose name a folder might have', async () => {
    const handler: Handler = ({ method }) => {
      assert.notEqual(method, 'DELETE')
      return method === 'GET' ? blobPage('') : { status: 200 }
    }
    await against(azure.config, handler, (store, root) => store.delete([`${root}/t/`]))
  })

  it('reads no folder', async () => {
    const handler: Handler = () => ({ status: 200, headers: { 'x-ms-meta-hdi_isfolder': 'true' }, body: '' })
    await against(azure.config, handler, (store, root) =>
      assert.rejects(store.read(`${root}/t`, { maxBytes: 10 }), is('missing')),
    )
  })
})

describe('attempts', () => {
  const failure = (error: unknown): StorageError => new StorageError('unavailable', 'failed', error)

  it('end when nothing comes for a while, and start again; what comes slowly is waited for', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      let attempts = 0
      const silent = withAttempts(({ signal }) => {
        attempts += 1
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      }, failure)
      const ticker = setInterval(() => mock.timers.tick(1000), 1)
      await assert.rejects(silent, is('unavailable'))
      clearInterval(ticker)
      assert.equal(attempts, 4)
      const slow = withAttempts(async ({ signal, alive }) => {
        for (let i = 0; i < 10; i += 1) {
          mock.timers.tick(15_000)
          signal.throwIfAborted()
          alive()
        }
        return 'whole'
      }, failure)
      assert.equal(await slow, 'whole')
    } finally {
      mock.timers.reset()
    }
  })

  it('are not multiplied where one request waits for another', async () => {
    let attempts = 0
    const inner = (): Promise<never> =>
      withAttempts(() => {
        attempts += 1
        return Promise.reject(new Error('busy'))
      }, failure)
    await assert.rejects(withAttempts(inner, failure), is('unavailable'))
    assert.equal(attempts, 4)
  })

  it('of a creation look at what is there only where an answer was lost', async () => {
    const holds = (): Promise<boolean> => Promise.reject(new Error('not to be asked'))
    const taken = new StorageError('exists', 'taken')
    await assert.rejects(
      createNew(() => Promise.reject(taken), failure, { bodyBytes: 1, holds }),
      taken,
    )
  })
})
