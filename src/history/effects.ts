/**
 * What a line of a log did to the names of its catalog, read from its operations. Lines of versions that recorded less say less:
 * what they leave out is unknown, not absent.
 */
import { namespaceKey } from '../iceberg/identifier.ts'
import type { Json } from '../stores/entities.ts'

export type Kind = 'table' | 'view' | 'namespace'

export interface Name {
  readonly kind: Kind
  /** The path of the namespace around it. */
  readonly parent: string
  readonly name: string
}

/** Undefined: not said. */
export interface Identity {
  readonly id?: string | undefined
  readonly uuid?: string | null | undefined
  readonly location?: string | undefined
}

export type Properties = Readonly<Record<string, string | null>>

export type Effect =
  /** The name leads to this metadata file from now on. `isNew`: whatever had the name before is not it. */
  | ({ readonly effect: 'points'; readonly of: Name; readonly file: string; readonly isNew: boolean } & Identity)
  /** What had one name has the other. */
  | { readonly effect: 'moves'; readonly of: Name; readonly to: Name; readonly file: string }
  | { readonly effect: 'ends'; readonly of: Name }
  | { readonly effect: 'begins'; readonly of: Name; readonly id: string | undefined; readonly properties: Properties | undefined }
  /** Null removes a property. */
  | { readonly effect: 'changes'; readonly of: Name; readonly properties: Properties | undefined }

interface Identifier {
  readonly namespace: readonly string[]
  readonly name: string
}

interface Logged {
  readonly operation?: string
  readonly identifier?: Identifier
  readonly destination?: Identifier
  readonly namespace?: readonly string[]
  readonly id?: string
  readonly uuid?: string | null
  readonly location?: string
  readonly 'metadata-location'?: string | null
  readonly after?: Properties | null
}

const named = (kind: Kind, { namespace, name }: Identifier): Name => ({ kind, parent: namespaceKey(namespace), name })

export const effectsOf = (operations: Json): Effect[] =>
  Array.isArray(operations) ? (operations as readonly Logged[]).flatMap(effectOf) : []

function effectOf(logged: Logged): Effect[] {
  const { operation = '', identifier, namespace } = logged
  const match = /^(.+?)-(table|view|namespace)(?:-properties)?$/.exec(operation)
  if (match === null) return []
  const [, verb, kind] = match as unknown as readonly [string, string, Kind]
  if (kind === 'namespace') return namespace === undefined ? [] : namespaceEffect(verb, namespace, logged)
  return identifier === undefined ? [] : entryEffect(verb, named(kind, identifier), logged)
}

function entryEffect(verb: string, of: Name, { id, uuid, location, destination, ...logged }: Logged): Effect[] {
  const file = logged['metadata-location'] ?? undefined
  switch (verb) {
    case 'drop':
    case 'unregister':
      return [{ effect: 'ends', of }]
    case 'rename':
      if (destination === undefined || file === undefined) return []
      return [{ effect: 'moves', of, to: named(of.kind, destination), file }]
    case 'create':
    case 'undrop':
    case 'update':
    case 'register':
      if (file === undefined) return []
      return [{ effect: 'points', of, file, isNew: verb === 'create' || verb === 'undrop', id, uuid, location }]
    default:
      return []
  }
}

function namespaceEffect(verb: string, levels: readonly string[], { id, after }: Logged): Effect[] {
  const name = levels.at(-1)
  if (name === undefined) return []
  const of = named('namespace', { namespace: levels.slice(0, -1), name })
  switch (verb) {
    case 'drop':
      return [{ effect: 'ends', of }]
    case 'create':
    case 'undrop':
      return [{ effect: 'begins', of, id, properties: after ?? undefined }]
    case 'update':
      return [{ effect: 'changes', of, properties: after ?? undefined }]
    default:
      return []
  }
}

/** The names that must be looked up before the effects can be carried out. */
export const namesOf = (effect: Effect): readonly Name[] => (effect.effect === 'moves' ? [effect.of, effect.to] : [effect.of])
