/** What to do when a folder of the server's own disk can't be used. */
import { localPath, type Location } from '../../iceberg/location.ts'
import { has, type Fault } from './fault.ts'

export function fileAdvice(fault: Fault, root: Location): string | undefined {
  const folder = localPath(root)
  const user = process.getuid?.()
  const who = user === undefined ? "the server's user" : `the server's user (${user})`
  if (has(fault, 'EACCES', 'EPERM')) return `Let ${who} read, write and enter ${folder} and all folders above it (chown, chmod)`
  if (has(fault, 'EROFS')) return `${folder} lies on a read-only file system: mount it for writing, or choose another path`
  if (has(fault, 'ENOSPC', 'EDQUOT')) return `Free some space on the disk of ${folder}, or choose another path`
  if (has(fault, 'ENOTDIR', 'EEXIST')) return `${folder}, or what is above it, is a file: choose another path`
  if (has(fault, 'EMFILE', 'ENFILE')) return 'Raise the number of files that the server may have open (ulimit -n)'
  if (fault.kind === 'forbidden') return `${folder} leads elsewhere by a link: choose the path that it leads to`
  return undefined
}
