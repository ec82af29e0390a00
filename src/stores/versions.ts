/**
 * Row versions: 53 random bits, never 0. A random version needs no counter that processes share, and a row that was removed
 * and inserted again never gets an old version back. Random bytes are drawn in blocks: one system call for 512 versions.
 */
import { randomFillSync } from 'node:crypto'
import type { Version } from './store.ts'

const words = new Uint32Array(1024)
let used = words.length

export function newVersion(): Version {
  if (used >= words.length) {
    randomFillSync(words)
    used = 0
  }
  const high = words[used++] ?? 0
  const low = words[used++] ?? 0
  const version = (high & 0x1fffff) * 0x1_0000_0000 + low
  return version === 0 ? newVersion() : version
}
