/** Where folders really are (symbolic links must not lead out of a root), and that what was made in them stays. */
import fs from 'node:fs'
import path from 'node:path'

export const WINDOWS = process.platform === 'win32'

export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? ''

/** The code of the error that says so. */
export const OUTSIDE = 'OUTSIDE'

/** `resolved` and `root` are paths without links. @throws Error whose code is OUTSIDE */
export function assertInside(root: string, resolved: string): void {
  if (resolved === root || resolved.startsWith(root + path.sep)) return
  throw Object.assign(new Error(OUTSIDE), { code: OUTSIDE })
}

/** The deepest folder at or above `folder` that exists, without links. */
export function resolvedAncestor(folder: string): string {
  for (let current = folder; ; current = path.dirname(current)) {
    try {
      return fs.realpathSync.native(current)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || path.dirname(current) === current) throw error
    }
  }
}

/** Makes the entries of a folder durable. (Windows can't, and does not need to.) */
export function syncFolder(folder: string): void {
  if (WINDOWS) return
  const fd = fs.openSync(folder, fs.constants.O_RDONLY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
