/**
 * Partition and sort transforms. Those of the specification are understood; any other text is kept as it is, so that a
 * table written by a newer engine still loads, but cannot be written by a client of ours.
 */
import { badRequest } from './errors.ts'
import { MAX_INT } from './long.ts'
import { describe } from './shape.ts'
import type { Primitive, PrimitiveKind } from './types.ts'

export type TransformKind = 'identity' | 'bucket' | 'truncate' | 'year' | 'month' | 'day' | 'hour' | 'void' | 'unknown'

export interface Transform {
  readonly kind: TransformKind
  /** Equal for equal transforms: compare this. For an unknown transform, the text as it was written. */
  readonly text: string
  /** Of `bucket` and `truncate`. */
  readonly width?: number
}

const SIMPLE: ReadonlyMap<string, Transform> = new Map(
  (['identity', 'year', 'month', 'day', 'hour', 'void'] as const).map((kind) => [kind, { kind, text: kind }]),
)

/** Reads a transform. Throws for `bucket` and `truncate` with a width that no engine could use. */
export function parseTransform(text: string): Transform {
  const simple = SIMPLE.get(text)
  if (simple !== undefined) return simple
  const lower = text.length <= 64 ? text.toLowerCase() : text
  return SIMPLE.get(lower) ?? widthTransform(lower) ?? { kind: 'unknown', text }
}

function widthTransform(text: string): Transform | undefined {
  const kind = text.startsWith('bucket[') ? 'bucket' : text.startsWith('truncate[') ? 'truncate' : undefined
  if (kind === undefined || !text.endsWith(']')) return undefined
  const digits = text.slice(kind.length + 1, -1)
  if (!/^\d+$/.test(digits)) return undefined
  const width = Number(digits)
  if (width < 1 || width > MAX_INT)
    throw badRequest(`Invalid transform ${describe(text)}: the width must be from 1 to ${MAX_INT}`)
  return { kind, text: `${kind}[${width}]`, width }
}

const kinds = (...names: PrimitiveKind[]): ReadonlySet<PrimitiveKind> => new Set(names)
const TIMESTAMPS = ['timestamp', 'timestamptz', 'timestamp_ns', 'timestamptz_ns'] as const
const DATES = kinds('date', ...TIMESTAMPS)
const HOURS = kinds(...TIMESTAMPS)
const BUCKETS = kinds('int', 'long', 'decimal', 'date', 'time', ...TIMESTAMPS, 'string', 'uuid', 'fixed', 'binary')
const TRUNCATES = kinds('int', 'long', 'decimal', 'string', 'binary')
const NOT_IDENTITY = kinds('variant', 'geometry', 'geography')

/** Whether the transform takes a column of this type. Of an unknown transform that can't be said: it takes none here. */
export function appliesTo(transform: Transform, primitive: Primitive): boolean {
  switch (transform.kind) {
    case 'identity':
      return !NOT_IDENTITY.has(primitive.kind)
    case 'bucket':
      return BUCKETS.has(primitive.kind)
    case 'truncate':
      return TRUNCATES.has(primitive.kind)
    case 'year':
    case 'month':
    case 'day':
      return DATES.has(primitive.kind)
    case 'hour':
      return HOURS.has(primitive.kind)
    case 'void':
      return true
    case 'unknown':
      return false
  }
}
