/** Jars that Maven fetched for what a `pom.xml` names, their list kept in the cache folder; the jars stay where Maven has them. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { cacheFolder, madeOnce } from '../cache.ts'
import { missingTool, reasonOf, resolve } from './java.ts'

/** `name` is what they are for. */
export async function jarsOf(name: string, pom: string): Promise<Availability<readonly string[]>> {
  const missing = (await missingTool('java', ['-version'])) ?? (await missingTool('mvn', ['-v']))
  if (missing !== undefined) return { missing }
  const hash = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)
  const folder = join(cacheFolder(), `${name}-${hash}`)
  try {
    let jars = await fetched(folder, pom)
    if (!jars.every((jar) => existsSync(jar))) {
      // Maven's own repository was emptied since.
      rmSync(folder, { recursive: true })
      jars = await fetched(folder, pom)
    }
    return { value: jars }
  } catch (error) {
    return { missing: `the jars for ${name} could not be fetched: ${reasonOf(error)}` }
  }
}

async function fetched(folder: string, pom: string): Promise<string[]> {
  const file = join(folder, 'classpath')
  await madeOnce(folder, async () => {
    mkdirSync(folder)
    await resolve(pom, file)
  })
  return readFileSync(file, 'utf8').trim().split(delimiter)
}

// `node test/clients/java/jars.ts <suite>` fetches those of the suite's `pom.xml` ahead of the tests.
if (import.meta.main) {
  const [, , suite = ''] = process.argv
  const made = await jarsOf(suite, join(import.meta.dirname, '..', suite, 'pom.xml'))
  console.log('value' in made ? made.value.join(',') : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
