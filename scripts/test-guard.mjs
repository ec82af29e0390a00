/**
 * Loaded into the process of every test file. A file that takes too long, or that something it left open keeps alive after its
 * last test, fails with the name of what is open, and is ended with all that it started: the runner would wait for whoever
 * inherited its output, without a word and for ever.
 */
import { spawnSync } from 'node:child_process'
import { after } from 'node:test'
import { isMainThread } from 'node:worker_threads'

const FILE_MINUTES = 25
const LINGER_SECONDS = 60

// The runner itself loads this too, and so do workers and programs that a test starts with this one's options.
if (process.env.NODE_TEST_CONTEXT?.startsWith('child') && isMainThread && /\.test\.m?[jt]s$/.test(process.argv[1] ?? '')) {
  setTimeout(end, FILE_MINUTES * 60_000, `took longer than ${FILE_MINUTES} minutes`).unref()
  after(() => void setTimeout(end, LINGER_SECONDS * 1000, 'did not end after its last test').unref())
}

function end(what) {
  const open = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout')
  process.stderr.write(`${process.argv[1]} ${what}; still open: ${open.join(', ') || 'nothing that Node knows of'}\n`)
  for (const pid of descendants(process.pid)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  process.exit(1)
}

function descendants(pid) {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = (stdout ?? '').split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  const below = (parent) => pairs.filter((pair) => pair[1] === parent).flatMap(([child]) => [child, ...below(child)])
  return below(pid)
}
