/** What the tests of large requests share. */
import assert from 'node:assert/strict'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { createFormatThreads } from '../../src/catalog/commits/format-threads.ts'
import { stringify } from '../../src/iceberg/json.ts'

export const field = (id: number) => ({ id, name: `c${id}`, required: false, type: 'long' })
export const schema = { type: 'struct' as const, fields: [field(1)] }
export const ident = (name: string) => ({ namespace: ['ns'], name })
export const rejects = (code: number, message: RegExp) => (error: unknown) => {
  const { code: found, message: text } = error as { code?: number; message: string }
  assert.equal(found, code, text)
  assert.match(text, message)
  return true
}

/** The threads, and what was asked of them. */
export function countingThreads() {
  const asked: string[] = []
  const inner = createFormatThreads()
  const threads: CatalogContext['threads'] = {
    run: (work, input, holder) => {
      asked.push(work)
      return inner.run(work, input, holder)
    },
  }
  return { asked, threads }
}

export const bytesOf = (request: object): Uint8Array => Buffer.from(stringify(request))
