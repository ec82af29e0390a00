/**
 * Work that needs no credential to ask for and that costs much, such as the check of a password. A bounded number runs at
 * once, and the waiting requests take turns by their address: a flood from one address delays the others by one turn each.
 */
import { refusal } from '../iceberg/errors.ts'
import { createShares } from './shares.ts'

export interface TurnsOptions {
  /** Names the work in the log. */
  readonly kind: string
  readonly concurrent: number
  /** More than so many in all are refused, and of one holder more than its share of them. */
  readonly waiting: number
}

export interface Turns {
  /** @throws IcebergError 429 when too many wait */
  run<T>(holder: string, work: () => Promise<T>): Promise<T>
}

export function createTurns({ kind, concurrent, waiting }: TurnsOptions): Turns {
  const shares = createShares(waiting)
  const lines = new Map<string, (() => void)[]>()
  let running = 0

  /** The holder whose turn it is goes to the end. */
  const next = (): void => {
    for (const [holder, line] of lines) {
      const start = line.shift()!
      lines.delete(holder)
      if (line.length > 0) lines.set(holder, line)
      shares.giveBack(holder)
      return start()
    }
    running--
  }

  const wait = (holder: string): Promise<void> => {
    if (!shares.mayTake(holder)) throw refusal(kind, 'TooManyRequestsException', 'Too many logins at once; try again')
    shares.take(holder)
    return new Promise((resolve) => {
      const line = lines.get(holder)
      if (line === undefined) lines.set(holder, [resolve])
      else line.push(resolve)
    })
  }

  return {
    run: async (holder, work) => {
      if (running < concurrent) running++
      else await wait(holder)
      try {
        return await work()
      } finally {
        next()
      }
    },
  }
}
