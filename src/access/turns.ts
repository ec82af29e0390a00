/**
 * Work that needs no credential to ask for and that costs much, such as the check of a password. A bounded number runs at
 * once, and the waiting requests take turns by their address: a flood from one address delays the others by one turn each.
 */
import { refusal } from '../iceberg/errors.ts'
import { Lines } from './lines.ts'
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
  const lines = new Lines<() => void>()
  let running = 0

  const next = (): void => {
    const turn = lines.next()
    if (turn === undefined) return void running--
    shares.giveBack(turn.holder)
    turn.item()
  }

  const wait = (holder: string): Promise<void> => {
    if (!shares.mayTake(holder)) throw refusal(kind, 'TooManyRequestsException', 'Too many logins at once; try again')
    shares.take(holder)
    return new Promise((resolve) => lines.add(holder, resolve))
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
