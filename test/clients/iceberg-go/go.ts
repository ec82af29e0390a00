/** iceberg-go's command line, built from its module. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { build, builtOnce } from '../built.ts'

const PROGRAM = 'github.com/apache/iceberg-go/cmd/iceberg@v0.7.0'

/** The file of the program. */
export async function icebergGo(): Promise<Availability<string>> {
  const folder = await builtOnce('iceberg-go', 'go', [PROGRAM], make)
  return 'missing' in folder ? folder : { value: join(folder.value, 'iceberg') }
}

async function make(folder: string): Promise<void> {
  mkdirSync(folder)
  await build(folder, 'go', ['install', '-ldflags=-s -w', PROGRAM], { GOBIN: folder })
}

// `node test/clients/iceberg-go/go.ts` builds ahead of the tests.
if (import.meta.main) {
  const made = await icebergGo()
  console.log('value' in made ? made.value : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
