/** What a route answers, before it is headers and bytes on a socket; and the short ways of making one. */
import type { Listed } from '../stores/pages.ts'
import type { ListTablesResponse } from '../catalog/shapes.ts'
import { quoteEach, stringify } from '../iceberg/json.ts'
import type { MetadataAnswer } from '../catalog/call.ts'

export interface Answer {
  readonly status: number
  /** Bytes always: text among the answers makes Node's code slower for all of them, documents included. */
  readonly body: Uint8Array | undefined
  readonly etag?: string | undefined
  /** Instead of a body: one that is made while it is sent, as fast as the client reads. */
  readonly pieces?: AsyncGenerator<Buffer> | undefined
  /** Follows the body, is for this caller alone and must not be kept on the way. */
  readonly tail?: Uint8Array | undefined
  /** Body and tail in one piece, where there is one. */
  readonly joined?: Uint8Array | undefined
  /** Names `body` alone, where there is a tail. */
  readonly bodyEtag?: string | undefined
  /** A further name and value, and so on: the form that `writeHead` takes without work. */
  readonly headers?: readonly string[]
}

/** 200 (or another status) with a JSON value, 64-bit integers exact. */
export function json(value: unknown, status = 200, headers?: readonly string[]): Answer {
  const body = Buffer.from(stringify(value))
  return headers === undefined ? { status, body } : { status, body, headers }
}

/** 200 with what is JSON already. */
export const jsonText = (text: string): Answer => ({ status: 200, body: Buffer.from(text) })

/**
 * 200 with a JSON list between `before` and `after`. A long one is made while it is sent: the specification has all names in
 * one answer where no page was asked for, however many there are.
 */
export function list<T>(
  { items, rest }: Listed<T>,
  [before, after]: readonly [string, string],
  { headers = [], textOf = textOfAll }: ListForm<T> = {},
): Answer {
  const first = before + textOf(items)
  if (rest === undefined) return { status: 200, body: Buffer.from(first + after), headers }
  return { status: 200, body: undefined, pieces: piecesOf(first, rest, after, textOf), headers }
}

interface ListForm<T> {
  readonly headers?: readonly string[]
  /** The JSON of items, with commas between. */
  readonly textOf?: (items: readonly T[]) => string
}

const textOfAll = (items: readonly unknown[]): string => stringify(items).slice(1, -1)

async function* piecesOf<T>(
  first: string,
  rest: AsyncGenerator<readonly T[]>,
  last: string,
  textOf: (items: readonly T[]) => string,
): AsyncGenerator<Buffer> {
  try {
    yield Buffer.from(first)
    for await (const items of rest) if (items.length > 0) yield Buffer.from(`,${textOf(items)}`)
    yield Buffer.from(last)
  } finally {
    await rest.return(undefined)
  }
}

/** What the specification's listings answer. */
export function names<F extends string, T>(
  field: F,
  answer: { readonly [K in F]: readonly T[] } & {
    readonly 'next-page-token': string | null
    readonly rest?: AsyncGenerator<readonly T[]>
  },
  textOf: (items: readonly T[]) => string = textOfAll,
): Answer {
  const { rest, 'next-page-token': next } = answer
  return list({ items: answer[field], ...(rest && { rest }) }, [`{"${field}":[`, `],"next-page-token":${stringify(next)}}`], {
    textOf,
  })
}

/** The names of tables or views of one namespace, whose JSON is made once. */
export function identifiers(namespace: readonly string[], answer: ListTablesResponse): Answer {
  const before = `{"namespace":${stringify(namespace)},"name":`
  const textOf = (items: ListTablesResponse['identifiers']) =>
    quoteEach(
      items.map(({ name }) => name),
      before,
      '}',
    )
  return names('identifiers', answer, textOf)
}

/** A list of the management API. */
export const array = <T>(listed: Listed<T>, headers?: readonly string[]): Answer =>
  list(listed, ['[', ']'], headers && { headers })

/** A page of such a list. What leads to other pages stands in headers, as the contract's body is the array alone. */
export function page(items: readonly unknown[], next: string | null, previous: string | null = null): Answer {
  const further = next === null ? [] : ['X-Next-Page-Token', next]
  const back = previous === null ? [] : ['X-Previous-Page-Token', previous]
  return json(items, 200, [...further, ...back])
}

export const NO_CONTENT: Answer = { status: 204, body: undefined }

/** A document of the metadata cache: its bytes go to the socket as they are. */
export function metadata(answer: MetadataAnswer): Answer {
  const { status, body, etag, tail, joined, documentEtag: bodyEtag } = answer
  return tail === undefined ? { status, body, etag } : { status, body, etag, tail, joined, bodyEtag }
}
