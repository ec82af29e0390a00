/** Answers about metadata as bytes: the document between what stands before and behind it. Without anything of the server's. */
import { stringify } from '../../iceberg/json.ts'
import { joinParts, type JsonParts } from '../../iceberg/json-parts.ts'

export interface Composed {
  readonly body: Buffer
  /** The part of the body that is the document. */
  readonly json: Buffer
}

export type ClientConfig = Readonly<Record<string, string>> | undefined

export const beforeDocument = (location: string | null): string => `{"metadata-location":${stringify(location)},"metadata":`
export const behindDocument = (config: ClientConfig): string => (config === undefined ? '}' : `,"config":${stringify(config)}}`)

export function compose(
  location: string | null,
  json: JsonParts,
  config: ClientConfig,
  allocate?: (bytes: number) => Buffer,
): Composed {
  const [prefix, suffix] = [beforeDocument(location), behindDocument(config)]
  const body = joinParts([prefix, ...json, suffix], allocate)
  return { body, json: body.subarray(Buffer.byteLength(prefix), body.length - Buffer.byteLength(suffix)) }
}
