/** The files that the metadata of a table names itself: manifest lists, manifests of format version 1, statistics. */
import type { PartitionStatisticsFile, StatisticsFile } from './statistics.ts'
import type { Snapshot } from './snapshot.ts'
import type { TableUpdate } from './table-update.ts'

const ofSnapshot = (snapshot: Pick<Snapshot, 'manifest-list' | 'manifests'>): readonly string[] => [
  ...(snapshot['manifest-list'] === undefined ? [] : [snapshot['manifest-list']]),
  ...(snapshot.manifests ?? []),
]

interface Naming {
  readonly snapshots?: readonly Snapshot[]
  readonly statistics?: readonly StatisticsFile[]
  readonly 'partition-statistics'?: readonly PartitionStatisticsFile[]
}

/** Of a view there are none. Files of earlier metadata do not count: a table does without them. */
export function namedFiles(metadata: object): readonly string[] {
  const { snapshots = [], statistics = [], 'partition-statistics': partitionStatistics = [] } = metadata as Naming
  return [...snapshots.flatMap(ofSnapshot), ...[...statistics, ...partitionStatistics].map((file) => file['statistics-path'])]
}

/** Those that updates bring and that do not begin with the location: mostly none. */
export function foreignFiles(location: string, updates: readonly TableUpdate[]): readonly string[] {
  const own = `${location}/`
  return updates.flatMap(filesOf).filter((file) => !file.startsWith(own))
}

function filesOf(update: TableUpdate): readonly string[] {
  if (update.action === 'add-snapshot') return ofSnapshot(update.snapshot)
  if (update.action === 'set-statistics') return [update.statistics['statistics-path']]
  if (update.action === 'set-partition-statistics') return [update['partition-statistics']['statistics-path']]
  return []
}
