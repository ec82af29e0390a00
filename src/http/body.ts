/** What request bodies are made of: their encodings, and forms. How they are read is in `bodies.ts`. */
import type { IncomingMessage } from 'node:http'
import { gunzip, inflate } from 'node:zlib'
import { badRequest, IcebergError } from '../iceberg/errors.ts'

/** How much of a refused body is read and thrown away, so that the client gets to read the refusal. */
const DISCARD_BYTES = 8 * 1024 * 1024

export const tooLarge = (maxBytes: number): IcebergError =>
  new IcebergError('ContentTooLargeException', `The request body is larger than ${maxBytes} bytes`)

export type Inflated = 'gzip' | 'deflate'

/** How the body is compressed; undefined when it is not. @throws IcebergError 415 */
export function encodingOf(request: IncomingMessage): Inflated | undefined {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase()
  if (encoding === undefined || encoding === 'identity') return undefined
  if (encoding === 'deflate') return encoding
  if (encoding === 'gzip' || encoding === 'x-gzip') return 'gzip'
  discard(request)
  throw new IcebergError('UnsupportedMediaTypeException', 'Content-Encoding of a request must be gzip, deflate or identity')
}

/** Reads on for a while without keeping anything: closing with unread data would reset the connection under the answer. */
export function discard(request: IncomingMessage): void {
  let size = 0
  request.on('error', () => undefined)
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > DISCARD_BYTES) request.destroy()
  })
}

export function inflated(bytes: Buffer, encoding: Inflated, maxBytes: number): Promise<Buffer> {
  const decompress = encoding === 'deflate' ? inflate : gunzip
  return new Promise((resolve, reject) => {
    decompress(bytes, { maxOutputLength: maxBytes }, (error, result) => {
      if (error === null) resolve(result)
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') reject(tooLarge(maxBytes))
      else reject(badRequest('The request body is not what its Content-Encoding says', { cause: error }))
    })
  })
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** A form's fields. @throws IcebergError 400 for a repeated field or text that is no UTF-8 */
export function parseForm(body: Buffer): ReadonlyMap<string, string> {
  let text: string
  try {
    text = UTF8.decode(body)
  } catch (cause) {
    throw badRequest('The form is not UTF-8', { cause })
  }
  const fields = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name)) throw badRequest(`The form field ${JSON.stringify(name.slice(0, 100))} is repeated`)
    fields.set(name, value)
  }
  return fields
}
