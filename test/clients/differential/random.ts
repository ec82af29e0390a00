/** Pseudo-random choices that a seed repeats exactly, on every machine. */
export interface Random {
  /** From 0 up to, not including, `below`. */
  int(below: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Some of the items, in their order; possibly none. */
  some<T>(items: readonly T[], probability?: number): T[]
  shuffle<T>(items: readonly T[]): T[]
  /** One of the functions, called; the weights say how often each. */
  weighted<T>(choices: readonly (readonly [weight: number, make: () => T])[]): T
  /** 0 to 2^63 - 1, evenly over magnitudes, so that small and huge ids are both common. */
  long(): bigint
}

export function seeded(seed: number): Random {
  let state = seed >>> 0
  // mulberry32: 32 bits of state are enough for a few thousand choices.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number): number => Math.floor(next() * below)
  return {
    int,
    chance: (probability) => next() < probability,
    pick: (items) => items[int(items.length)]!,
    some: (items, probability = 0.5) => items.filter(() => next() < probability),
    shuffle(items) {
      const copy = [...items]
      for (let last = copy.length - 1; last > 0; last--) {
        const other = int(last + 1)
        ;[copy[last], copy[other]] = [copy[other]!, copy[last]!]
      }
      return copy
    },
    weighted(choices) {
      let rest = next() * choices.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, make] of choices) {
        rest -= weight
        if (rest < 0) return make()
      }
      return choices[0]![1]()
    },
    long: () => ((BigInt(int(2 ** 31)) << 32n) | BigInt(int(2 ** 32))) >> BigInt(int(62)),
  }
}
