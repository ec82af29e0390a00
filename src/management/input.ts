/** What the management API accepts: names, and objects with known fields only, so that a typing error is not a silent wish. */
import { badRequest, IcebergError } from '../iceberg/errors.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
/** Segments that stand where a catalog's name stands in a path. */
const RESERVED = new Set(['v1', 'config', 'oauth', 'namespaces', 'tables', 'views', 'transactions'])

/** @throws IcebergError 400. `what` is Warehouse or Catalog. */
export function checkName(what: string, name: string): void {
  if (!NAME.test(name)) {
    throw badRequest(
      `${what} name ${JSON.stringify(name.slice(0, 150))}: expected 1 to 128 letters, digits, ".", "_" or "-", a letter or digit first`,
    )
  }
  if (what === 'Catalog' && RESERVED.has(name.toLowerCase())) throw badRequest(`Catalog name "${name}" is reserved`)
}

/** @throws IcebergError 422 that names the first field that is not known */
export function checkFields(json: unknown, known: readonly string[]): void {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw badRequest('The request body must be a JSON object')
  for (const field of Object.keys(json)) {
    if (!known.includes(field)) {
      throw new IcebergError(
        'UnprocessableEntityException',
        `Unknown field ${JSON.stringify(field.slice(0, 100))}; expected ${known.join(', ')}`,
      )
    }
  }
}

export interface Paging {
  readonly limit: number
  readonly offset: number
}

/** `limit` and `offset` are what the SDK sends; at most so many rows are walked over. */
export const MAX_LISTED = 10_000
