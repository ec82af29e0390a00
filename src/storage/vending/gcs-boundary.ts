/**
 * The credential access boundary that narrows a Google token to the objects of one table. Its conditions are expressions of
 * a language of their own (CEL): built here from the few shapes that are needed and serialised, so that no name of anybody's
 * is ever read as a part of their grammar.
 */
import { keysInOneBucket } from './strategies.ts'
import { VendingError, type VendScope } from './vending.ts'

export const MAX_RULES = 10
const READ = 'inRole:roles/storage.objectViewer'
/** Reads, lists, creates and deletes; unlike an administrator of objects it changes no access to them. */
const WRITE = 'inRole:roles/storage.objectUser'

export interface AccessBoundary {
  readonly accessBoundary: {
    readonly accessBoundaryRules: readonly {
      readonly availableResource: string
      readonly availablePermissions: readonly string[]
      readonly availabilityCondition: { readonly expression: string }
    }[]
  }
}

/** Text as a literal: quotes, backslashes and everything that is not plain ASCII are escaped. */
export function celString(text: string): string {
  const escaped = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0
    if (character === '\\' || character === "'" || character === '"' || character === '`') return `\\${character}`
    if (code >= 0x20 && code < 0x7f) return character
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `'${escaped.join('')}'`
}

type Text = { readonly variable: 'resource.name' } | { readonly attribute: string }
type Condition = { readonly text: Text; readonly startsWith: string }

function serializeText(text: Text): string {
  return 'variable' in text ? text.variable : `api.getAttribute(${celString(text.attribute)}, '')`
}

const serialize = (anyOf: readonly Condition[]): string =>
  anyOf.map(({ text, startsWith }) => `${serializeText(text)}.startsWith(${celString(startsWith)})`).join(' || ')

/** @throws VendingError `invalid` when the scope can't be said */
export function accessBoundary({ prefixes, access }: Pick<VendScope, 'prefixes' | 'access'>): AccessBoundary {
  const { bucket, keys } = keysInOneBucket(prefixes)
  if (keys.length > MAX_RULES)
    throw new VendingError('invalid', `${prefixes[0]} and its other places are ${keys.length}; Google's tokens open ${MAX_RULES}`)
  return {
    accessBoundary: {
      accessBoundaryRules: keys.map((key) => ({
        availableResource: `//storage.googleapis.com/projects/_/buckets/${bucket}`,
        availablePermissions: [access === 'read' ? READ : WRITE],
        availabilityCondition: {
          expression: serialize([
            { text: { variable: 'resource.name' }, startsWith: `projects/_/buckets/${bucket}/objects/${key}/` },
            { text: { attribute: 'storage.googleapis.com/objectListPrefix' }, startsWith: `${key}/` },
          ]),
        },
      })),
    },
  }
}
