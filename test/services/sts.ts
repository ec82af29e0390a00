/**
 * A token service of AWS's protocol that counts, remembers what it was asked and gives credentials that open nothing: for
 * tests of who is asked how often. What credentials open is asked of MinIO.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TestSts {
  readonly endpoint: string
  /** The forms of the requests, oldest first. */
  readonly asked: URLSearchParams[]
  readonly stop: () => Promise<void>
}

/** `delayMs`: as a service far away. */
export async function startSts({ delayMs = 0 }: { readonly delayMs?: number } = {}): Promise<TestSts> {
  const asked: URLSearchParams[] = []
  const answer = (form: URLSearchParams): string => {
    const number = asked.push(form)
    const end = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1000).toISOString()
    const keys = `<AccessKeyId>ID${number}</AccessKeyId><SecretAccessKey>SECRET${number}</SecretAccessKey><SessionToken>TOKEN${number}</SessionToken>`
    const credentials = `<Credentials>${keys}<Expiration>${end}</Expiration></Credentials>`
    return `<AssumeRoleResponse><AssumeRoleResult>${credentials}</AssumeRoleResult></AssumeRoleResponse>`
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const xml = answer(new URLSearchParams(body))
      setTimeout(() => response.writeHead(200, { 'content-type': 'text/xml' }).end(xml), delayMs)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
