/**
 * Iceberg's jars for Spark, fetched by Maven ahead of the session: Spark would otherwise fetch them itself at each start.
 * Spark comes with the suite's Python packages; it needs a Java to run on.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { cacheFolder, madeOnce } from '../cache.ts'
import { missingTool, reasonOf, resolve } from '../java/java.ts'

const POM = join(import.meta.dirname, 'pom.xml')

/** As environment variables for the suite. */
export async function sparkJars(): Promise<Availability<{ readonly PANGOLIN_SPARK_JARS: string }>> {
  const missing = (await missingTool('java', ['-version'])) ?? (await missingTool('mvn', ['-v']))
  if (missing !== undefined) return { missing }
  const hash = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12)
  const folder = join(cacheFolder(), `spark-${hash}`)
  try {
    let jars = await fetched(folder)
    if (!jars.every((jar) => existsSync(jar))) {
      // Maven's own repository was emptied since.
      rmSync(folder, { recursive: true })
      jars = await fetched(folder)
    }
    return { value: { PANGOLIN_SPARK_JARS: jars.join(',') } }
  } catch (error) {
    return { missing: `Iceberg's jars for Spark could not be fetched: ${reasonOf(error)}` }
  }
}

async function fetched(folder: string): Promise<string[]> {
  const file = join(folder, 'classpath')
  await madeOnce(folder, async () => {
    mkdirSync(folder)
    await resolve(POM, file)
  })
  return readFileSync(file, 'utf8').trim().split(delimiter)
}

// `node test/clients/spark/jars.ts` fetches ahead of the tests.
if (import.meta.main) {
  const made = await sparkJars()
  console.log('value' in made ? made.value.PANGOLIN_SPARK_JARS : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
