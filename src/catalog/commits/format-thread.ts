/** The program of a thread that works on metadata and large requests: one piece of work at a time. */
import { parentPort } from 'node:worker_threads'
import type { FormatRequest, FormatResponse } from './format-threads.ts'
import { failureOf } from './failures.ts'
import { WORK } from './format-work.ts'

function answer([work, input]: FormatRequest): FormatResponse {
  try {
    return { result: (WORK[work] as (input: unknown) => unknown)(input) }
  } catch (error) {
    return { failure: failureOf(error) }
  }
}

const port = parentPort
if (port === null) throw new Error('Metadata is worked on by a worker thread')
port.on('message', (request: FormatRequest) => port.postMessage(answer(request)))
