/**
 * Request bodies: read within a limit of bytes, inflated within the same limit, and refused early where the headers already
 * say too much. What the body means is for others.
 */
import type { IncomingMessage } from 'node:http'
import { gunzip, inflate } from 'node:zlib'
import { badRequest, IcebergError } from '../iceberg/errors.ts'

/** How much of a refused body is read and thrown away, so that the client gets to read the refusal. */
const DISCARD_BYTES = 8 * 1024 * 1024

const EMPTY = Buffer.alloc(0)

const tooLarge = (maxBytes: number): IcebergError =>
  new IcebergError('ContentTooLargeException', `The request body is larger than ${maxBytes} bytes`)

/** The body's bytes, inflated. @throws IcebergError 400, 413, 415 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase()
  if (
    encoding !== undefined &&
    encoding !== 'gzip' &&
    encoding !== 'x-gzip' &&
    encoding !== 'deflate' &&
    encoding !== 'identity'
  ) {
    discard(request)
    throw new IcebergError('UnsupportedMediaTypeException', 'Content-Encoding of a request must be gzip, deflate or identity')
  }
  const bytes = await readRaw(request, maxBytes)
  if (encoding === undefined || encoding === 'identity' || bytes.length === 0) return bytes
  return inflated(bytes, encoding === 'deflate' ? inflate : gunzip, maxBytes)
}

function readRaw(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = request.headers['content-length']
  if (announced === undefined && request.headers['transfer-encoding'] === undefined) return Promise.resolve(EMPTY)
  if (Number(announced) > maxBytes) {
    discard(request)
    return Promise.reject(tooLarge(maxBytes))
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= maxBytes) {
        chunks.push(chunk)
        return
      }
      request.off('data', onData)
      discard(request)
      reject(tooLarge(maxBytes))
    }
    // The client is gone or sends nonsense: nobody will read the answer.
    const onBroken = (): void => reject(badRequest('The request body ended early'))
    request.on('data', onData)
    request.once('end', () => {
      // Every request is closed in the end.
      request.off('close', onBroken)
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    })
    request.once('error', onBroken)
    request.once('close', onBroken)
  })
}

/** Reads on for a while without keeping anything: closing with unread data would reset the connection under the answer. */
function discard(request: IncomingMessage): void {
  let size = 0
  request.on('error', () => undefined)
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > DISCARD_BYTES) request.destroy()
  })
}

function inflated(bytes: Buffer, decompress: typeof gunzip, maxBytes: number): Promise<Buffer> {
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
