/**
 * The report of `npm test`: a line per test file, every failure in full where it happens, then what was skipped and why
 * (loudly: a skip that nobody sees is a hole), and Node's own closing counts as the last lines.
 */
import { relative } from 'node:path'
import { root } from './lib.mjs'

export default async function* report(source) {
  const skips = new Map()
  const closing = []
  const titles = new Map()
  for await (const { type, data } of source) {
    const file = data.file === undefined ? '' : relative(root, data.file)
    if (type === 'test:start') startTitle(titles, file, data)
    else if (type === 'test:pass' && data.skip !== undefined) addSkip(skips, data, `${file}: ${data.name}`)
    else if (type === 'test:fail' && isCause(data)) yield failure(file, titlePath(titles, file, data), data)
    else if (type === 'test:stderr') yield data.message
    else if (type === 'test:summary' && data.file !== undefined) yield summary(file, data)
    else if (type === 'test:diagnostic' && data.file === undefined && data.nesting === 0) closing.push(data.message)
  }
  yield* skipped(skips)
  yield `\n${closing.map((line) => `# ${line}\n`).join('')}`
}

/** Titles of the tests that enclose the next one, per file and depth. */
function startTitle(titles, file, { nesting, name }) {
  const path = (titles.get(file) ?? []).slice(0, nesting)
  path[nesting] = name
  titles.set(file, path)
}

const titlePath = (titles, file, { nesting, name }) => [...(titles.get(file) ?? []).slice(0, nesting), name].join(' > ')

/** A parent fails because of its subtests, which have been reported. */
const isCause = ({ details }) => details.error?.failureType !== 'subtestsFailed'

function failure(file, title, { details }) {
  const cause = details.error?.cause ?? details.error
  const text = cause?.stack ?? String(cause?.message ?? cause)
  return `\nFAILED ${file} > ${title}\n${indent(text)}\n\n`
}

const indent = (text) => text.replaceAll(/^/gm, '    ')

function summary(file, { counts, duration_ms: milliseconds, success }) {
  const bad = counts.tests - counts.passed - counts.skipped - counts.todo
  const parts = [
    `${counts.passed} passed`,
    ...(bad > 0 ? [`${bad} FAILED`] : []),
    ...(counts.skipped > 0 ? [`${counts.skipped} skipped`] : []),
  ]
  return `${success ? 'ok    ' : 'FAILED'} ${file.padEnd(52)} ${parts.join(', ')} (${(milliseconds / 1000).toFixed(1)} s)\n`
}

function addSkip(skips, { skip }, name) {
  const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason was given'
  skips.set(reason, [...(skips.get(reason) ?? []), name])
}

function* skipped(skips) {
  if (skips.size === 0) return
  yield '\nSKIPPED, because this machine or the test itself lacks something:\n'
  for (const [reason, names] of skips) {
    yield `  ${reason}\n`
    for (const name of names.slice(0, 5)) yield `    - ${name}\n`
    if (names.length > 5) yield `    - and ${names.length - 5} more\n`
  }
}
