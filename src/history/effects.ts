/**
 * What a line of a log did to the names of its catalog, read from its operations. Lines of versions that recorded less say less:
 * what they leave out is unknown, not absent. What has not the form that it should have says nothing: no line may keep those behind
 * it from their positions.
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

/** What an operation says, where it says it in the form that it should have. */
interface Logged extends Identity {
  readonly file: string | undefined
  readonly destination: Identifier | undefined
  readonly after: Properties | undefined
}

type Fields = Readonly<Record<string, Json | undefined>>

const isFields = (value: Json | undefined): value is Fields & Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
const isLevels = (value: Json | undefined): value is readonly string[] & Json =>
  Array.isArray(value) && value.length > 0 && value.every((level) => typeof level === 'string')

function identifierOf(value: Json | undefined): Identifier | undefined {
  if (!isFields(value) || !isLevels(value['namespace']) || typeof value['name'] !== 'string') return undefined
  return { namespace: value['namespace'], name: value['name'] }
}

function propertiesOf(value: Json | undefined): Properties | undefined {
  if (!isFields(value)) return undefined
  const entries = Object.entries(value).filter(([, one]) => one === null || typeof one === 'string')
  return Object.fromEntries(entries) as Properties
}

const named = (kind: Kind, { namespace, name }: Identifier): Name => ({ kind, parent: namespaceKey(namespace), name })

export const effectsOf = (operations: Json): Effect[] =>
  Array.isArray(operations)
    ? (operations as readonly Json[]).flatMap((operation) => (isFields(operation) ? effectOf(operation) : []))
    : []

function effectOf(operation: Fields): Effect[] {
  const match = /^(.+?)-(table|view|namespace)(?:-properties)?$/.exec(textOf(operation['operation']) ?? '')
  if (match === null) return []
  const [, verb, kind] = match as unknown as readonly [string, string, Kind]
  const logged: Logged = {
    id: textOf(operation['id']),
    uuid: operation['uuid'] === null ? null : textOf(operation['uuid']),
    location: textOf(operation['location']),
    file: textOf(operation['metadata-location']),
    destination: identifierOf(operation['destination']),
    after: propertiesOf(operation['after']),
  }
  const [identifier, namespace] = [identifierOf(operation['identifier']), operation['namespace']]
  if (kind === 'namespace') return isLevels(namespace) ? namespaceEffect(verb, namespace, logged) : []
  return identifier === undefined ? [] : entryEffect(verb, named(kind, identifier), logged)
}

function entryEffect(verb: string, of: Name, { id, uuid, location, destination, file }: Logged): Effect[] {
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
  const of = named('namespace', { namespace: levels.slice(0, -1), name: levels.at(-1)! })
  switch (verb) {
    case 'drop':
      return [{ effect: 'ends', of }]
    case 'create':
    case 'undrop':
      return [{ effect: 'begins', of, id, properties: after }]
    case 'update':
      return [{ effect: 'changes', of, properties: after }]
    default:
      return []
  }
}

/** The names that must be looked up before the effects can be carried out. */
export const namesOf = (effect: Effect): readonly Name[] => (effect.effect === 'moves' ? [effect.of, effect.to] : [effect.of])
