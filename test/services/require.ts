/**
 * What a test does when something it needs is not on this machine: a user at home gets a visible skip with its reason,
 * CI gets a failure, so that a suite cannot vanish from CI unnoticed.
 */
import type { TestContext } from 'node:test'

/** A service that is there, or why it is not. */
export type Availability<T> = { readonly value: T } | { readonly missing: string }

/** The value; `undefined` after the test was marked as skipped, when the caller should return at once. */
export function requireService<T>(test: TestContext, availability: Availability<T>): T | undefined {
  if ('value' in availability) return availability.value
  if (process.env['CI'] === 'true') throw new Error(`under CI=true this must not be missing: ${availability.missing}`)
  test.skip(availability.missing)
  return undefined
}
