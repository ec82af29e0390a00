/**
 * One round for one log: gives positions to the changes that it is handed, in their order, and writes down what each did to the
 * names of the catalog, so that the past can be read at any position.
 */
import type { NewRow, Row } from '../stores/entities.ts'
import type { Mutation, Store, Version } from '../stores/store.ts'
import { FIRST_HASH, hashOf, textOf } from './chain.ts'
import type { LogKey } from './logs.ts'
import { effectsOf, namesOf, type Effect, type Identity, type Name, type Properties } from './effects.ts'

export type State = NewRow<'states'>

/** A change with what is asked of it more than once. */
export interface Line {
  readonly row: Row<'commits'>
  readonly effects: readonly Effect[]
  /** JSON text. */
  readonly operations: string
}

export const lineOf = (row: Row<'commits'>): Line => ({
  row,
  effects: effectsOf(row.operations),
  operations: textOf(row.operations),
})

/** A state that has not ended, as far as is known. */
interface Open {
  state: State
  /** Of its row, where it has one. */
  version: Version | undefined
}

/** What this process knows of a log; true for as long as the log's row has this version. */
export interface LogMemory {
  head: Row<'logs'> | undefined
  /** By name; `undefined`: nothing has it. */
  readonly open: Map<string, Open | undefined>
}

export const forgetful = (head: Row<'logs'> | undefined): LogMemory => ({ head, open: new Map() })

/** Names of a log that are remembered at most. */
const MOST_OPEN = 20_000

const nameKey = ({ kind, parent, name }: Name): string => `${kind}\n${parent}\n${name}`

export class LogRound {
  readonly #key: LogKey
  readonly #memory: LogMemory
  readonly #now: number
  /** Steps by entity: a database may take rows of one entity together. */
  readonly #commits: Mutation[] = []
  readonly #positions: Mutation[] = []
  readonly #versions: Mutation[] = []
  /** States that this round begins or ends. */
  readonly #changed = new Set<Open>()
  /** Of the line that is being placed, by name. */
  readonly #ofLine = new Map<string, NewRow<'versions'>>()
  #head: NewRow<'logs'>

  constructor(key: LogKey, memory: LogMemory, now: number) {
    this.#key = key
    this.#memory = memory
    this.#now = now
    this.#head = memory.head ?? {
      ...key,
      position: 0,
      at: 0,
      hash: FIRST_HASH,
      first_position: 0,
      first_hash: FIRST_HASH,
    }
  }

  /** Looks up what the changes are about. */
  async prepare(store: Store, lines: readonly Line[]): Promise<void> {
    const { open } = this.#memory
    if (open.size > MOST_OPEN) open.clear()
    const wanted = new Map<string, Name>()
    for (const name of lines.flatMap(({ effects }) => effects.flatMap(namesOf))) {
      const key = nameKey(name)
      if (!open.has(key)) wanted.set(key, name)
    }
    if (wanted.size === 0) return
    const find = async ([key, { kind, parent, name }]: [string, Name]): Promise<void> => {
      const where = { ...this.#key, kind, parent, name }
      const [last] = await store.list('states', { index: 'primary', where, descending: true, limit: 1 })
      if (last === undefined || last.until !== null) return void open.set(key, undefined)
      const { version, ...state } = last
      open.set(key, { state, version })
    }
    await Promise.all([...wanted].map(find))
  }

  place({ row, effects, operations }: Line): void {
    const position = this.#head.position + 1
    const at = Math.max(this.#head.at, Math.min(row.timestamp_ms, this.#now))
    const hash = hashOf(this.#head.hash, row, { position, at }, operations)
    const { version: expected } = row
    this.#commits.push({ op: 'replace', entity: 'commits', row: { ...row, position }, expected, changed: ['position'] })
    this.#positions.push({ op: 'insert', entity: 'positions', row: { ...this.#key, position, commit_id: row.id, at, hash } })
    this.#ofLine.clear()
    for (const effect of effects) this.#carryOut(effect, position)
    for (const version of this.#ofLine.values()) this.#versions.push({ op: 'insert', entity: 'versions', row: version })
    this.#head = { ...this.#head, position, at, hash }
  }

  /** All that the round writes; its first step fails where another process was faster. */
  get steps(): readonly Mutation[] {
    const { head } = this.#memory
    const headStep: Mutation =
      head === undefined
        ? { op: 'insert', entity: 'logs', row: this.#head }
        : { op: 'replace', entity: 'logs', row: this.#head, expected: head.version }
    const states = [...this.#changed].map(({ state: row, version }): Mutation =>
      version === undefined
        ? { op: 'insert', entity: 'states', row }
        : { op: 'replace', entity: 'states', row, expected: version },
    )
    return [headStep, ...this.#commits, ...this.#positions, ...this.#versions, ...states]
  }

  /** Told the versions of the rows that `steps` wrote. */
  written(versions: readonly (Version | undefined)[]): void {
    this.#memory.head = { ...this.#head, version: versions[0]! }
    const first = 1 + this.#commits.length + this.#positions.length + this.#versions.length
    for (const [at, open] of [...this.#changed].entries()) open.version = versions[first + at]
  }

  #carryOut(effect: Effect, position: number): void {
    switch (effect.effect) {
      case 'points':
        this.#keep(effect.of, effect.isNew, effect, position)
        this.#version(effect.of, effect.file, position)
        return
      case 'moves': {
        const before = this.#end(effect.of, position)
        this.#begin(effect.to, before === undefined ? {} : identityOf(before), position)
        this.#version(effect.to, effect.file, position)
        return
      }
      case 'ends':
        this.#end(effect.of, position)
        return
      case 'begins':
        this.#begin(effect.of, { id: effect.id ?? null, properties: valuesOf(effect.properties ?? {}) }, position)
        return
      case 'changes': {
        const before = this.#end(effect.of, position)
        const properties = { ...(before?.properties as Properties | undefined), ...effect.properties }
        this.#begin(effect.of, { id: before?.id ?? null, properties: valuesOf(properties) }, position)
      }
    }
  }

  /** The name belongs to a table or view with this identity; to the one that had it already, unless it is a new one. */
  #keep(name: Name, isNew: boolean, { id, uuid, location }: Identity, position: number): void {
    const open = this.#memory.open.get(nameKey(name))?.state
    const said = Object.entries({ id, uuid, location }).filter(([, value]) => value !== undefined) as [keyof State, unknown][]
    if (open !== undefined && !isNew && said.every(([column, value]) => open[column] === value)) return
    const before = this.#end(name, position)
    const kept = isNew || before === undefined ? {} : identityOf(before)
    this.#begin(name, { ...kept, ...Object.fromEntries(said) }, position)
  }

  #begin({ kind, parent, name }: Name, values: Partial<State>, since: number): void {
    this.#end({ kind, parent, name }, since)
    const unknown = { id: null, uuid: null, location: null, properties: null }
    const state = { ...this.#key, kind, parent, name, since, until: null, ...unknown, ...values }
    const open: Open = { state, version: undefined }
    this.#memory.open.set(nameKey({ kind, parent, name }), open)
    this.#changed.add(open)
  }

  #end(name: Name, until: number): State | undefined {
    const key = nameKey(name)
    const open = this.#memory.open.get(key)
    if (open === undefined) return undefined
    this.#memory.open.set(key, undefined)
    // One line may do several things to a name: what begins and ends with it never was.
    if (open.state.since === until) {
      this.#changed.delete(open)
      return open.state
    }
    open.state = { ...open.state, until }
    this.#changed.add(open)
    return open.state
  }

  /** The last of a line counts. */
  #version({ parent: namespace, name }: Name, metadata_location: string, position: number): void {
    this.#ofLine.set(`${namespace}\n${name}`, { ...this.#key, namespace, name, position, metadata_location })
  }
}

const identityOf = ({ id, uuid, location }: State): Partial<State> => ({ id, uuid, location })

const valuesOf = (properties: Properties): Record<string, string> =>
  Object.fromEntries(Object.entries(properties).filter((entry): entry is [string, string] => entry[1] !== null))
