import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createCredentialCache, type CatalogVending, type CredentialScope } from '../../src/catalog/delegation/credentials.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { VendingError, type Vended, type VendScope } from '../../src/storage/vending/vending.ts'

const principal = { id: 'u1', name: 'analyst', tenantId: 't1', role: 'tenant-admin' } as const
const scope = (changes: Partial<CredentialScope> = {}): CredentialScope => ({
  prefixes: [canonicalLocation('s3://lake/t')],
  access: 'read',
  principal,
  ...changes,
})

/** A provider that counts, and answers when the test says so. */
function setup(options: { readonly seconds?: number; readonly static?: boolean; readonly maxEntries?: number } = {}) {
  const clock = { now: 1_000_000_000_000 }
  const asked: VendScope[] = []
  const logged: unknown[] = []
  const provider: { answer: (scope: VendScope) => Promise<Vended> } = {
    answer: async ({ prefixes, lifetimeSeconds }) => ({
      credentials: [{ prefix: prefixes[0]!, config: { key: String(asked.length) } }],
      expiresAtMs: options.static ? undefined : clock.now + lifetimeSeconds * 1000,
    }),
  }
  const vending: CatalogVending = {
    id: 'v1',
    warehouseName: 'lake',
    always: false,
    refreshKeys: undefined,
    vendor: {
      lifetime: { seconds: options.seconds ?? 3600, leastSeconds: 900 },
      vend: (each) => {
        asked.push(each)
        return provider.answer(each)
      },
      close: async () => {},
    },
  }
  const cache = createCredentialCache({
    now: () => clock.now,
    log: (...line) => logged.push(line),
    ...(options.maxEntries === undefined ? {} : { maxEntries: options.maxEntries }),
  })
  return { clock, asked, logged, provider, vending, cache }
}

describe('credentials that were made', () => {
  it('serve all who ask, until a fifth of their life is left', async () => {
    const { clock, asked, vending, cache } = setup()
    const first = await cache.issue(vending, scope())
    assert.deepEqual(asked[0], {
      prefixes: ['s3://lake/t'],
      access: 'read',
      principal: { id: 'u1', name: 'analyst', tenantId: 't1' },
      lifetimeSeconds: 3600,
    })
    clock.now += 0.79 * 3600_000
    assert.equal(cache.issue(vending, scope()), first)
    clock.now += 0.02 * 3600_000
    const second = await cache.issue(vending, scope())
    assert.equal(asked.length, 2)
    assert.notEqual(second.tag, first.tag)
    assert.match(second.tag, /^[\w-]{16}$/)
  })

  it('last longer than the five minutes before which clients renew them', async () => {
    const { clock, asked, vending, cache } = setup({ seconds: 900 })
    await cache.issue(vending, scope())
    clock.now += 599_000
    await cache.issue(vending, scope())
    assert.equal(asked.length, 2)
  })

  it('are asked for once, however many come at once, and whatever else is asked meanwhile', async () => {
    const { asked, provider, vending, cache } = setup()
    const { answer } = provider
    let go = (): void => {}
    provider.answer = async (each) => {
      if (each.prefixes[0] === 's3://lake/t') await new Promise<void>((resolve) => (go = resolve))
      return answer(each)
    }
    const waiting = Array.from({ length: 100 }, () => cache.issue(vending, scope()))
    await cache.issue(vending, scope({ prefixes: [canonicalLocation('s3://lake/other')] }))
    go()
    const issued = await Promise.all(waiting)
    assert.equal(new Set(issued).size, 1)
    assert.equal(asked.length, 2)
  })

  it('belong to one principal, tenant, kind of access, set of places and state of the warehouse', async () => {
    const { asked, vending, cache } = setup()
    const tags = new Set<string>()
    const others: readonly [CatalogVending, CredentialScope][] = [
      [vending, scope()],
      [vending, scope({ access: 'read-write' })],
      [vending, scope({ prefixes: [canonicalLocation('s3://lake/t2')] })],
      [vending, scope({ prefixes: [canonicalLocation('s3://lake/t'), canonicalLocation('s3://lake/d')] })],
      [vending, scope({ principal: { ...principal, id: 'u2' } })],
      [vending, scope({ principal: { ...principal, tenantId: 't2' } })],
      [{ ...vending, id: 'v2' }, scope()],
    ]
    for (const [each, what] of others) tags.add((await cache.issue(each, what)).tag)
    assert.equal(asked.length, others.length)
    assert.equal(tags.size, others.length)
    for (const [each, what] of others) await cache.issue(each, what)
    assert.equal(asked.length, others.length)
  })

  it('do not outlast the token of the caller, as far as the provider can', async () => {
    const { clock, asked, vending, cache } = setup()
    const until = (minutes: number) => scope({ principal: { ...principal, expiresAtMs: clock.now + minutes * 60_000 } })
    const long = await cache.issue(vending, scope())
    const short = await cache.issue(vending, until(30))
    assert.ok(short.expiresAtMs! <= clock.now + 30 * 60_000 && short.expiresAtMs! > clock.now + 24 * 60_000)
    assert.notEqual(short, long)
    // What is short enough for one is good for all; nobody makes others because of it.
    assert.equal(await cache.issue(vending, scope()), short)
    assert.equal(await cache.issue(vending, until(31)), short)
    assert.equal(asked.length, 2)
    const least = await cache.issue(vending, until(1))
    assert.equal(asked.at(-1)?.lifetimeSeconds, 900)
    assert.equal(await cache.issue(vending, until(2)), least)
  })

  it('that a caller with a short token joins are not longer than that token', async () => {
    const { clock, provider, vending, cache } = setup()
    const { answer } = provider
    provider.answer = async (each) => {
      await new Promise(setImmediate)
      return answer(each)
    }
    const short = scope({ principal: { ...principal, expiresAtMs: clock.now + 1800_000 } })
    const [long, own] = await Promise.all([cache.issue(vending, scope()), cache.issue(vending, short)])
    assert.ok(long.expiresAtMs! > clock.now + 1800_000)
    assert.ok(own.expiresAtMs! <= clock.now + 1800_000)
  })

  it('that do not end are kept, bounded in number', async () => {
    const { clock, asked, vending, cache } = setup({ static: true, maxEntries: 10 })
    const place = (at: number) => scope({ prefixes: [canonicalLocation(`s3://lake/t${at}`)] })
    for (let at = 0; at < 11; at++) await cache.issue(vending, place(at))
    clock.now += 1e12
    await cache.issue(vending, place(10))
    assert.equal(asked.length, 11)
    await cache.issue(vending, place(0))
    assert.equal(asked.length, 12)
  })
})

describe('a provider that fails', () => {
  it('is asked again by the next, and the answer names the warehouse alone', async () => {
    const { asked, logged, provider, vending, cache } = setup()
    const { answer } = provider
    for (const [kind, code] of [
      ['unavailable', 503],
      ['refused', 503],
      ['invalid', 400],
    ] as const) {
      provider.answer = async () => {
        throw new VendingError(kind, 'role arn:x: AccessDenied', new Error('hunter2'))
      }
      await assert.rejects(Promise.resolve(cache.issue(vending, scope())), (error: unknown) => {
        assert.ok(error instanceof IcebergError && error.code === code)
        assert.match(error.message, /Warehouse lake/)
        assert.ok(!error.message.includes('hunter2') && (kind === 'invalid' || !error.message.includes('arn')))
        return true
      })
    }
    assert.equal(asked.length, 3)
    assert.equal(logged.length, 3)
    assert.ok(!JSON.stringify(logged).includes('hunter2'))
    provider.answer = answer
    await cache.issue(vending, scope())
    assert.equal(asked.length, 4)
  })

  it('and never answers keeps nobody else from asking again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { asked, provider, vending, cache } = setup()
    provider.answer = () => new Promise(() => {})
    const waiting = assert.rejects(Promise.resolve(cache.issue(vending, scope())), /Warehouse lake can not/)
    t.mock.timers.tick(20_001)
    await waiting
    provider.answer = async () => ({ credentials: [], expiresAtMs: undefined })
    await cache.issue(vending, scope())
    assert.equal(asked.length, 2)
  })
})
