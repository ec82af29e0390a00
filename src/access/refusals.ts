/** What a principal is told of what it may not do, or see: which token refuses, and what that one allows. */
import { IcebergError } from '../iceberg/errors.ts'
import type { Bound } from './bounds.ts'
import { isById } from './decide.ts'
import type { Principal } from './principal.ts'

const SHOWN = 3

function placeOf({ catalog, namespace, table }: Bound): string {
  return [catalog, ...(namespace ?? []), table ?? '*'].join('.')
}

/** In words of the request that made the token. */
function allowedBy({ bounds }: Principal): string {
  if (bounds === undefined) return 'everything'
  const { access, within } = bounds
  if (within === undefined) return `${access} everywhere`
  const more = within.length > SHOWN ? ` and ${within.length - SHOWN} more` : ''
  // It is bound to what had these names, which may have others by now.
  const then = within.some(isById) ? ', as things were called when it was made' : ''
  return `${access} within ${within.slice(0, SHOWN).map(placeOf).join(', ')}${more}${then}`
}

const tokenOf = ({ name, tokenId }: Principal): string =>
  tokenId === undefined ? `${name}'s token` : `${name}'s token ${tokenId}`

/** `what` says what was asked for, such as `table.commit of lake.a.b`. */
export function notAllowed(principal: Principal, what: string): IcebergError {
  if (principal.bounds === undefined) return refusalOf(`${principal.name} may not ${what}`)
  return refusalOf(`${tokenOf(principal)} does not allow ${what}; it allows ${allowedBy(principal)}`)
}

/** For what is not there, or not for the principal to see: which of both is not said, but where it may look. */
export const hinted = ({ type, message }: IcebergError, principal: Principal): IcebergError =>
  new IcebergError(type, `${message} (${tokenOf(principal)} allows ${allowedBy(principal)})`)

const MARK = { notAllowed: true }
const refusalOf = (message: string): IcebergError => new IcebergError('ForbiddenException', message, { details: MARK })

/** Whether an error is such a refusal: it names what was asked for, which may not be for others to know. */
export const isNotAllowed = ({ details }: IcebergError): boolean => details['notAllowed'] === true
