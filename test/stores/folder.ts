/** A folder for a store's files. Apart from `backends.ts`, which looks for database servers as it is loaded. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'store-'))
