/** One random life of a table or a view in our core, in which each commit is undone, and that again: the reference reads it all. */
import { IcebergError } from '../../../src/iceberg/errors.ts'
import { stringify, type JsonValue } from '../../../src/iceberg/json.ts'
import { joinParts } from '../../../src/iceberg/json-parts.ts'
import { parseTableMetadata, serializeTableMetadata } from '../../../src/iceberg/table-metadata.ts'
import { undoTable } from '../../../src/iceberg/undo-table.ts'
import { undoView } from '../../../src/iceberg/undo-view.ts'
import { parseViewMetadata, serializeViewMetadata } from '../../../src/iceberg/view-metadata.ts'
import type { Json } from './columns.ts'
import { coreSide } from './core-side.ts'
import { seeded } from './random.ts'
import { change, creation, type Sides } from './sequence.ts'
import type { Kind } from './sides.ts'

const COMMITS = 8

export interface Undone {
  readonly undone: number
  readonly refused: number
  readonly failure?: string
}

export async function undoSequence(kind: Kind, seed: number, { reader, root }: Pick<Sides, 'reader' | 'root'>): Promise<Undone> {
  const random = seeded(seed)
  const location = `${root}/undone_${kind}_${seed}`
  const now = Date.now() - 10_000
  const side = coreSide(kind, `undone_${seed}`)
  const first = await side.create(creation(kind, random, `undone_${seed}`, location))
  let [undone, refused] = [0, 0]
  let table = first.metadata
  for (let step = 1; step <= COMMITS && table !== undefined; step++) {
    const { metadata } = await side.commit(change(kind, random, { table, location, now, step }))
    if (metadata === undefined) continue
    const files = [textOf(table), textOf(metadata)] as const
    table = metadata
    const back = attempt(kind, files[1], files[0])
    if (back === undefined) {
      refused++
      continue
    }
    // What was undone can always be made again.
    const again = attempt(kind, back, files[1])
    for (const text of [back, again]) {
      const fault = text === undefined ? 'it was refused' : await reader(kind, text)
      if (fault !== undefined)
        return { undone, refused, failure: `seed ${seed}, step ${step}: ${fault}\n${files.join('\n')}\n${text}` }
    }
    undone++
  }
  return { undone, refused }
}

const textOf = (metadata: Json): string => stringify(metadata as JsonValue)

function attempt(kind: Kind, current: string, before: string): string | undefined {
  const options = { now: Date.now(), currentFile: 'file:/current', beforeFile: 'file:/before' }
  const [now, then] = [Buffer.from(current), Buffer.from(before)]
  try {
    const parts =
      kind === 'table'
        ? serializeTableMetadata(undoTable(parseTableMetadata(now), parseTableMetadata(then), options).metadata)
        : serializeViewMetadata(undoView(parseViewMetadata(now), parseViewMetadata(then), options).metadata)
    return joinParts(parts).toString()
  } catch (error) {
    if (!(error instanceof IcebergError) || error.code >= 500) throw error
    return undefined
  }
}
