/**
 * Values that may have to be waited for. What is at hand is passed on at once: on the way of a load each promise would cost
 * a good part of what the whole load costs.
 */
export type Soon<T> = T | Promise<T>

export const soon = <T, U>(value: Soon<T>, next: (value: T) => Soon<U>): Soon<U> =>
  value instanceof Promise ? value.then(next) : next(value)

/** Both are under way at once; what the first refuses is told before what the second does. */
export async function behind<T>(first: Promise<unknown>, second: () => Soon<T>): Promise<T> {
  const started = (async () => second())()
  // It may fail before it is awaited.
  started.catch(() => undefined)
  await first
  return started
}
