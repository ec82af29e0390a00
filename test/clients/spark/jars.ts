/**
 * Iceberg's jars for Spark, fetched by Maven ahead of the session: Spark would otherwise fetch them itself at each start.
 * Spark comes with the suite's Python packages; it needs a Java to run on.
 */
import { join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { jarsOf } from '../java/jars.ts'

/** As environment variables for the suite. */
export async function sparkJars(): Promise<Availability<{ readonly PANGOLIN_SPARK_JARS: string }>> {
  const jars = await jarsOf('spark', join(import.meta.dirname, 'pom.xml'))
  return 'value' in jars ? { value: { PANGOLIN_SPARK_JARS: jars.value.join(',') } } : jars
}
