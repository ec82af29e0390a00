#!/usr/bin/env node
/** `npm start`, `npm run pangolin --` and `pangolin`: from a fresh clone to a running server or tool. Arguments are handed on. */
import { readFileSync } from 'node:fs'
import { build, ensureInstalled, findNode, root, run } from './lib.mjs'

ensureInstalled()
const node = findNode()
build()
// Settings like PANGOLIN_DATA are relative to the folder of the checkout, where npm runs its scripts.
// The files that a tool is told are relative to where its caller stands, which npm notes in INIT_CWD.
const settings = JSON.parse(readFileSync(`${root}scripts/server-environment.json`, 'utf8'))
const env = { INIT_CWD: process.cwd(), ...settings, ...process.env }
// V8 by itself lets a server under load fill a hundred megabytes with garbage before it looks at any of it.
const flags = JSON.parse(readFileSync(`${root}scripts/server-flags.json`, 'utf8'))
process.exitCode = await run(node, [...flags, `${root}dist/main.js`, ...process.argv.slice(2)], { env })
