/**
 * Fair shares of something scarce, such as places for requests under way. A holder may take more as long as what it then has
 * is at most three times what is left: a lone one gets three quarters, two get three sevenths each, and a newcomer always
 * finds something. (The rule of dynamic thresholds, by which switches share their buffers between ports.)
 */

export interface Shares {
  readonly taken: number
  mayTake(holder: string, amount?: number): boolean
  take(holder: string, amount?: number): void
  giveBack(holder: string, amount?: number): void
}

const TIMES_WHAT_IS_LEFT = 3

export function createShares(total: number): Shares {
  const held = new Map<string, number>()
  let taken = 0
  return {
    get taken() {
      return taken
    },
    mayTake: (holder, amount = 1) => {
      const left = total - taken - amount
      if (left < 0) return false
      const own = held.get(holder) ?? 0
      return own === 0 || own + amount <= TIMES_WHAT_IS_LEFT * left
    },
    take: (holder, amount = 1) => {
      taken += amount
      held.set(holder, (held.get(holder) ?? 0) + amount)
    },
    giveBack: (holder, amount = 1) => {
      taken -= amount
      const rest = (held.get(holder) ?? 0) - amount
      if (rest > 0) held.set(holder, rest)
      else held.delete(holder)
    },
  }
}
