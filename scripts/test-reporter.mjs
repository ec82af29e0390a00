/**
 * The report of `npm test`: a line per test file, every failure in full where it happens, then what was skipped and why
 * (loudly: a skip that nobody sees is a hole), and Node's own closing counts as the last lines.
 */
import { relative } from 'node:path'
import { inspect } from 'node:util'
import { root } from './lib.mjs'

export default async function* report(source) {
  const skips = new Map()
  const closing = []
  // Node reports file by file, each in the order of its source, so the tests around the current one are those begun last.
  // The file is that of the outermost: a subtest may be declared by a helper in another one.
  let file = ''
  let path = []
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      if (data.nesting === 0) file = shortName(data.file)
      path = [...path.slice(0, data.nesting), data.name]
    } else if (type === 'test:pass' && data.skip !== undefined) addSkip(skips, data, [file, ...path].join(' > '))
    else if (type === 'test:fail' && isCause(data))
      yield failure([file, ...path.slice(0, data.nesting), data.name].join(' > '), data)
    else if (type === 'test:stderr') yield data.message
    else if (type === 'test:summary' && data.file !== undefined) yield summary(shortName(data.file), data)
    else if (type === 'test:diagnostic' && data.file !== undefined) yield `note   ${file}: ${data.message}\n`
    else if (type === 'test:diagnostic' && data.nesting === 0) closing.push(data.message)
  }
  yield* skipped(skips)
  yield `\n${closing.map((line) => `# ${line}\n`).join('')}`
}

const shortName = (file) => (file === undefined ? '' : relative(root, file))

/** A parent fails because of its subtests, which have been reported. */
const isCause = ({ details }) => details.error?.failureType !== 'subtestsFailed'

function failure(title, { details }) {
  const cause = details.error?.cause ?? details.error
  const text = typeof cause?.stack === 'string' ? cause.stack : inspect(cause)
  return `\nFAILED ${title}\n${indent(text)}\n\n`
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
