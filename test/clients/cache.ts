/**
 * The folder outside the checkout where tests keep what is expensive to make: client installations and service binaries.
 * Several test files run at once, so whatever is made there is made under a lock and marked when it is whole.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const cacheFolder = (): string => process.env['PANGOLIN_TEST_CACHE'] || join(homedir(), '.cache', 'pangolin')

/**
 * Runs `make` for a folder that is not there or not whole, and returns the folder. Only one process makes it; the others
 * wait. Remains of an attempt that was cut off are removed first.
 */
export async function madeOnce(folder: string, make: (folder: string) => Promise<void>): Promise<string> {
  const marker = join(folder, '.whole')
  if (existsSync(marker)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const unlock = await lock(`${folder}.lock`)
  try {
    if (existsSync(marker)) return folder
    rmSync(folder, { recursive: true, force: true })
    await make(folder)
    writeFileSync(marker, '')
    return folder
  } finally {
    unlock()
  }
}

async function lock(file: string): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (!holderIsAlive(file)) rmSync(file, { force: true })
    else await sleep(500)
  }
}

function holderIsAlive(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    // The holder's number is written a moment after the file was made.
    if (pid === 0) return true
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Only a process that is gone frees its lock; a file that vanished meanwhile is tried again.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
