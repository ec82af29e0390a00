/** What to do about faults of the network, which are the same for every kind of storage, and about unknown ones. */
import { has, type Fault } from './fault.ts'

const NO_HOST = ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA']
const SILENT = ['ETIMEDOUT', 'TimeoutError', 'AbortError', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH']
const NOT_TLS = ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'HPE_INVALID_CONSTANT', 'UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']
const CERTIFICATE =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/

/** `endpoint`: the setting that says where the service is, and what it says now. */
export function networkAdvice(fault: Fault, endpoint: { readonly setting: string; readonly value: string }): string | undefined {
  const { setting, value } = endpoint
  if (fault.status !== undefined) return undefined
  if (has(fault, ...NO_HOST))
    return `No machine has the host name of ${value}: correct ${setting}, or the name service of the server`
  if (has(fault, 'ECONNREFUSED')) return `Nothing listens at ${value}: start the service there, or correct ${setting}`
  if (fault.codes.some((code) => CERTIFICATE.test(code)))
    return `The server does not trust the certificate of ${value}: name its authority in NODE_EXTRA_CA_CERTS and start the server again`
  if (has(fault, ...NOT_TLS))
    return `${value} broke the connection off: check that ${setting} has the right one of http: and https:, and the right port`
  if (has(fault, ...SILENT) || fault.kind === 'late')
    return `${value} did not answer in time: let the server reach it through firewalls and proxies, or correct ${setting}`
  return undefined
}

/** When nothing more is known. */
export function lastAdvice({ kind, status }: Fault): string {
  if (kind === 'unavailable' && (status ?? 0) >= 500) return 'The service itself failed: try again, and look into its log'
  if (kind === 'unavailable' || kind === 'late')
    return 'The service did not answer: check that the server can reach it, and try again'
  if (kind === 'forbidden' || kind === 'refused') return 'Give the credentials of the warehouse this right at the service'
  return 'Compare the storage_config of the warehouse with what the service has'
}
