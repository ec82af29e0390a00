/**
 * What happens very often under an attack or a fault, in the log: the first time at once, from then on as a count, after a
 * second, two, four, and at last once a minute, until a window passes in which it did not happen.
 */

export type Details = Readonly<Record<string, unknown>>

export interface Floods {
  /** `kind` names what is the same; true the first time, when the caller says it in full. */
  isFirst(event: string, kind: string, sample: Details): boolean
  /** Something that was refused as it should be: a line the first time, counts from then on. */
  refused(kind: string, sample: Details): void
  /** Says what was not said yet. */
  close(): void
}

interface Kind {
  count: number
  sample: Details
  windowMs: number
  timer: NodeJS.Timeout
}

const [FIRST_WINDOW_MS, LONGEST_WINDOW_MS] = [1000, 60_000]
/** Of all that come beyond there is one count. */
const MAX_KINDS = 200

export function createFloods(log: (event: string, details: Details) => void): Floods {
  const kinds = new Map<string, Kind>()

  const say = (event: string, name: string, { count, sample, windowMs }: Kind): void => {
    try {
      log(event, { kind: name, count, seconds: windowMs / 1000, sample, level: 'warn' })
    } catch {
      // A log that can't be written must not end the process from within a timer.
    }
  }

  const startWindow = (key: string, event: string, name: string, windowMs: number, sample: Details): void => {
    const timer = setTimeout(() => {
      const { count } = kind
      if (count === 0) return void kinds.delete(key)
      say(event, name, kind)
      startWindow(key, event, name, Math.min(LONGEST_WINDOW_MS, 2 * windowMs), kind.sample)
    }, windowMs)
    timer.unref()
    const kind: Kind = { count: 0, sample, windowMs, timer }
    kinds.set(key, kind)
  }

  const isFirst: Floods['isFirst'] = (event, kind, sample) => {
    const name = kinds.size < MAX_KINDS || kinds.has(`${event}\n${kind}`) ? kind : 'others'
    const key = `${event}\n${name}`
    const known = kinds.get(key)
    if (known === undefined) {
      startWindow(key, event, name, FIRST_WINDOW_MS, sample)
      return true
    }
    known.count++
    known.sample = sample
    return false
  }

  return {
    isFirst,
    refused: (kind, sample) => {
      if (isFirst('refused', kind, sample)) log('refused', { kind, count: 1, sample, level: 'warn' })
    },
    close: () => {
      for (const [key, kind] of kinds) {
        clearTimeout(kind.timer)
        const [event = '', name = ''] = key.split('\n')
        if (kind.count > 0) say(event, name, kind)
      }
      kinds.clear()
    },
  }
}
