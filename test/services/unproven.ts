/**
 * Loaded into a process, it lets the stores of that process use servers that were not proven (`src/stores/proof.ts`). Tests
 * make databases by the hundred on servers that they know, and use one that no proof would let through.
 */
const UNPROVEN = Symbol.for('pangolin.tests.unproven-server')
const flags = globalThis as { [UNPROVEN]?: boolean }
flags[UNPROVEN] = true

/** Runs with proofs, as servers do outside of tests. */
export async function proving<T>(work: () => Promise<T>): Promise<T> {
  flags[UNPROVEN] = false
  try {
    return await work()
  } finally {
    flags[UNPROVEN] = true
  }
}
