/** Parts of requests that tests of several rooms send. */

/** The first version of a view of this namespace. */
export const viewVersion = (...namespace: readonly string[]) => ({
  'version-id': 1,
  'timestamp-ms': 1,
  'schema-id': 0,
  summary: {},
  'default-namespace': [...namespace],
  representations: [{ type: 'sql', sql: 'select 1', dialect: 'spark' }],
})

/** A commit that sets one property. */
export const setting = (name: string) => ({
  requirements: [],
  updates: [{ action: 'set-properties', updates: { [name]: 'x' } }],
})
