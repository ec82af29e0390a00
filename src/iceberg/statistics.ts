/** Statistics files of a table: at most one of each kind for a snapshot. */
import Type, { type Static } from 'typebox'
import { Int32, Int64, NaturalInt64, StringMap } from './document.ts'

export const StatisticsFileShape = Type.Object({
  'snapshot-id': Int64,
  'statistics-path': Type.String(),
  'file-size-in-bytes': NaturalInt64,
  'file-footer-size-in-bytes': NaturalInt64,
  'blob-metadata': Type.Array(
    Type.Object({
      type: Type.String(),
      'snapshot-id': Int64,
      'sequence-number': Int64,
      fields: Type.Array(Int32),
      properties: Type.Optional(StringMap),
    }),
  ),
})
export const PartitionStatisticsFileShape = Type.Object({
  'snapshot-id': Int64,
  'statistics-path': Type.String(),
  'file-size-in-bytes': NaturalInt64,
})

export interface StatisticsFile extends Readonly<Static<typeof StatisticsFileShape>> {
  readonly [unknownField: string]: unknown
}
export interface PartitionStatisticsFile extends Readonly<Static<typeof PartitionStatisticsFileShape>> {
  readonly [unknownField: string]: unknown
}
