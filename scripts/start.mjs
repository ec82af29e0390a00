/** `npm start`: from a fresh clone to a running server. Arguments are handed on to it. */
import { build, ensureInstalled, findNode, root, run } from './lib.mjs'

ensureInstalled()
const node = findNode()
build()
// Settings like PANGOLIN_DATA are relative to the folder of the checkout, where npm runs its scripts.
process.exitCode = await run(node, ['--disable-warning=ExperimentalWarning', `${root}dist/main.js`, ...process.argv.slice(2)])
