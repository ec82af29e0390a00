/**
 * Values that may have to be waited for. What is at hand is passed on at once: on the way of a load each promise would cost
 * a good part of what the whole load costs.
 */
export type Soon<T> = T | Promise<T>

export const soon = <T, U>(value: Soon<T>, next: (value: T) => Soon<U>): Soon<U> =>
  value instanceof Promise ? value.then(next) : next(value)
