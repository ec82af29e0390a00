/** Binaries that `.ci/run` builds, or that this machine has: test tools, never shipped. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cacheFolder } from '../clients/cache.ts'

/** In the cache folder's `bin`, on the PATH, or in one of the other folders. */
export function findBinary(name: string, others: readonly string[] = []): string | undefined {
  const folders = [join(cacheFolder(), 'bin'), ...(process.env['PATH'] ?? '').split(delimiter), ...others]
  return folders
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
