/** The one write that decides a batch, and what is made of it when its answer is lost. */
import type { Environment } from './environment.ts'
import { isLostConnection, nothingChanged } from './failures.ts'

const READ_BACK_DELAYS_MS = [0, 20, 100, 400, 1000]

export interface DecisiveWrite {
  /** Whether it was carried out. */
  readonly send: () => Promise<boolean>
  /**
   * What became of it. What is found is final: after it a late message can't decide otherwise. `pending`: to be asked once
   * more; `unknown`: it can't be told any longer.
   */
  readonly look: () => Promise<'committed' | 'aborted' | 'pending' | 'unknown'>
  /** Takes away what the batch left elsewhere. */
  readonly undo: () => Promise<void>
}

/** @throws StoreError `unavailable` when nothing was changed, `unknown` when that can't be told */
export async function decide(environment: Environment, write: DecisiveWrite): Promise<boolean> {
  try {
    return await write.send()
  } catch (error) {
    if (!isLostConnection(error)) throw error
    const outcome = error.kind === 'unavailable' ? 'aborted' : await readBack(environment, write)
    if (outcome === 'committed') return true
    if (outcome === 'unknown') throw error
    environment.background(write.undo())
    throw nothingChanged(error)
  }
}

async function readBack(environment: Environment, { look }: DecisiveWrite): Promise<'committed' | 'aborted' | 'unknown'> {
  for (const delay of READ_BACK_DELAYS_MS) {
    if (delay > 0) await environment.sleep(delay)
    try {
      const found = await look()
      if (found !== 'pending') return found
    } catch (error) {
      if (!isLostConnection(error)) throw error
    }
  }
  return 'unknown'
}
