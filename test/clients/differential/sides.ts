/** The sides of a comparison: what answers a sequence of requests. Here a server over HTTP, theirs or ours. */
import { parse, stringify } from '../../../src/iceberg/json.ts'
import type { Json } from './columns.ts'
import type { Outcome } from './compare.ts'
import { UUID_PLACEHOLDER } from './table-commits.ts'

export type Kind = 'table' | 'view'

/** Creates one table or view, then commits to it. */
export interface Side {
  create(request: Json): Promise<Outcome>
  commit(request: Json): Promise<Outcome>
}

/** A new side for each sequence. */
export type MakeSide = (kind: Kind, name: string) => Side

/** The text that is sent: each side has its own uuid. */
export function body(request: Json, metadata: Json | undefined): string {
  const uuid: string = metadata?.['table-uuid'] ?? metadata?.['view-uuid'] ?? ''
  return stringify(request).replaceAll(UUID_PLACEHOLDER, uuid)
}

export interface HttpOptions {
  /** Up to and including the catalog's prefix. */
  readonly base: string
  readonly namespace: string
  readonly token?: string
}

export function httpSide({ base, namespace, token }: HttpOptions): MakeSide {
  return (kind, name) => {
    const collection = `${base}/namespaces/${namespace}/${kind}s`
    let metadata: Json | undefined
    const send = async (url: string, request: Json): Promise<Outcome> => {
      const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
      const response = await fetch(url, { method: 'POST', headers, body: body(request, metadata) })
      const text = await response.text()
      if (!response.ok) return { status: response.status, message: text.slice(0, 20_000) }
      try {
        metadata = (parse(text) as Json)['metadata'] as Json
      } catch (error) {
        // The reference begins its answer before it knows that it can write it.
        return { status: 500, message: `${String(error)}: ...${text.slice(-300)}` }
      }
      return { status: response.status, message: '', metadata }
    }
    return { create: (request) => send(collection, request), commit: (request) => send(`${collection}/${name}`, request) }
  }
}

/** Sends JSON to a path below the catalog's. */
export const postTo =
  ({ base, token }: HttpOptions) =>
  (path: string, body: object): Promise<Response> =>
    fetch(`${base}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    })

export async function createNamespace(options: HttpOptions): Promise<void> {
  const { namespace } = options
  const response = await postTo(options)('namespaces', { namespace: [namespace] })
  if (!response.ok) throw new Error(`namespace ${namespace}: ${response.status} ${await response.text()}`)
}

/** Why the reference can't open the metadata of a file, if so. */
export type Reader = (kind: Kind, metadata: string) => Promise<string | undefined>

/** The reader that the reference server has beside its catalog. */
export const readerAt =
  (url: string): Reader =>
  async (kind, metadata) => {
    const response = await fetch(`${url}/read/${kind}`, { method: 'POST', body: metadata })
    const text = await response.text()
    if (response.status !== 200 && response.status !== 422) throw new Error(`reader: ${response.status} ${text.slice(0, 300)}`)
    return response.ok ? undefined : text.slice(0, 600)
  }
