/** A certificate for 127.0.0.1 that this process trusts, for services that want TLS. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import type { Availability } from './require.ts'

export interface Certificate {
  /** Paths of PEM files. */
  readonly cert: string
  readonly key: string
  readonly remove: () => void
}

export async function trustedCertificate(): Promise<Availability<Certificate>> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-certificate-'))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  try {
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert]
    await promisify(execFile)('openssl', request.concat(subject))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    return { missing: `openssl made no certificate: ${String(error).slice(0, 200)}` }
  }
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(cert, 'utf8')])
  return { value: { cert, key, remove: () => rmSync(folder, { recursive: true, force: true }) } }
}
