/** Deletions that have not ended, of files and of what was in dropped catalogs: what they are, and how an operator has one tried again or given up for good. */
import type { Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import { StoreError, type Mutation, type Store } from '../stores/store.ts'
import { OperationError } from './fill.ts'

/** What nothing else could remove. */
const REMOVE_CATALOG = 'remove-catalog'
const KINDS: readonly string[] = ['purge-table', 'delete-files', REMOVE_CATALOG]
const NEVER = Number.MAX_SAFE_INTEGER

export interface Deletion {
  readonly id: string
  readonly kind: string
  /** Where it deletes. */
  readonly location: string
  /** `running`: a process has it at the moment. `given up`: no process tries again until it is resumed. */
  readonly state: 'waiting' | 'running' | 'given up'
  readonly attempts: number
  readonly lastError: string | null
  /** Milliseconds since 1970. */
  readonly since: number
}

type Task = Row<'tasks'>

const isDeletion = ({ kind }: Task): boolean => KINDS.includes(kind)

const stateOf = ({ due_at, owner }: Task, now: number): Deletion['state'] =>
  due_at === NEVER ? 'given up' : owner !== null && due_at > now ? 'running' : 'waiting'

function describe(task: Task, now: number): Deletion {
  const { id, kind, attempts, last_error: lastError, created_at: since, payload } = task
  const { location: at, catalog } = payload as { readonly location?: unknown; readonly catalog?: { storage_location?: unknown } }
  const location = task.location ?? String(at ?? catalog?.storage_location)
  return { id, kind, location, state: stateOf(task, now), attempts, lastError, since }
}

/** All of them, the oldest first. */
export async function listDeletions(store: Store, now: number): Promise<Deletion[]> {
  const found: Deletion[] = []
  for await (const page of pagesOf(store, 'tasks', { index: 'primary', where: {} })) {
    found.push(...page.filter(isDeletion).map((task) => describe(task, now)))
  }
  return found
}

async function change(store: Store, id: string, now: number, to: (task: Task) => readonly Mutation[]): Promise<Deletion> {
  const task = await store.get('tasks', { id })
  if (task === undefined || !isDeletion(task)) throw new OperationError(`There is no deletion ${id}: it has ended, or never was`)
  if (stateOf(task, now) === 'running') throw new OperationError(`A server is at work on the deletion ${id}; try again later`)
  try {
    await store.write(to(task))
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    throw new OperationError(`The deletion ${id} has changed meanwhile; look again`)
  }
  return describe(task, now)
}

/** Servers try it once more, as often as a new one. @throws OperationError when it is not there, or runs */
export async function resumeDeletion(store: Store, id: string, now: number): Promise<Deletion> {
  const steps: Mutation[] = []
  const known = await store.get('tasks', { id })
  const tenant = known && (await store.get('tenants', { id: known.tenant_id }))
  // Files of a deletion that was given up could be registered: whatever is about to, and has not seen this, fails.
  if (tenant !== undefined) steps.push({ op: 'replace', entity: 'tenants', row: tenant, expected: tenant.version })
  return change(store, id, now, (task) => {
    refuseKept(task, now)
    return [
      ...steps,
      {
        op: 'replace',
        entity: 'tasks',
        row: { ...task, owner: null, due_at: now, attempts: 0, last_error: null },
        expected: task.version,
      },
    ]
  })
}

/** What waits from the start can still be undone: to begin with it is for those who may drop things. */
function refuseKept({ id, owner, attempts, due_at }: Task, now: number): void {
  if (owner !== null || attempts > 0 || due_at <= now || due_at === NEVER) return
  throw new OperationError(
    `The deletion ${id} has not failed: it waits until ${new Date(due_at).toISOString()}, and can be undone until then`,
  )
}

/** What it has not deleted stays, and its place is free. @throws OperationError when it is not there, or runs */
export const cancelDeletion = (store: Store, id: string, now: number): Promise<Deletion> =>
  change(store, id, now, (task) => {
    if (task.kind === REMOVE_CATALOG)
      throw new OperationError(`Nothing else removes what is left of the catalog: resume ${id} instead`)
    return [{ op: 'remove', entity: 'tasks', key: { id }, expected: task.version }]
  })
