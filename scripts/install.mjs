/** Installs the dependencies and prints the path of a Node that is new enough: for scripts that need one before any test. */
import { ensureInstalled, findNode } from './lib.mjs'

ensureInstalled()
process.stdout.write(`${findNode()}\n`)
