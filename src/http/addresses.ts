/** IP addresses and ranges of them, IPv4 and IPv6 alike: an IPv4 address is its IPv4-mapped IPv6 address (RFC 4291 2.5.5.2). */
import { isIP } from 'node:net'

/** 16 bytes. */
export type Address = Uint8Array

export interface AddressRange {
  readonly address: Address
  /** How many leading bits count, of 128. */
  readonly bits: number
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** Undefined for what is no address. The zone of a link-local one is passed over. */
export function parseAddress(text: string): Address | undefined {
  const kind = isIP(text)
  if (kind === 0) return undefined
  if (kind === 4) return Uint8Array.from([...MAPPED, ...text.split('.').map(Number)])
  const zone = text.indexOf('%')
  let plain = zone < 0 ? text : text.slice(0, zone)
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain)
  if (dotted !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number)
    plain = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = plain.split('::')
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [before, behind] = [groups(head), groups(tail)]
  const missing: number[] = Array(8 - before.length - behind.length).fill(0)
  return Uint8Array.from([...before, ...missing, ...behind].flatMap((group) => [group >> 8, group & 255]))
}

const isMapped = (address: Address): boolean => MAPPED.every((byte, at) => address[at] === byte)

/**
 * What counts as one address where something is counted: an IPv4 address, or the 64 leading bits of an IPv6 one, since
 * a host that has one IPv6 address usually has all with the same 64 bits.
 */
export function addressKey(text: string): string {
  if (isIP(text) === 4) return text
  const address = parseAddress(text)
  if (address === undefined) return text
  if (isMapped(address)) return address.subarray(12).join('.')
  return `${Buffer.from(address.subarray(0, 8)).toString('hex')}/64`
}

/** An address, or a range as in 10.0.0.0/8. Undefined for what is neither. */
export function parseRange(text: string): AddressRange | undefined {
  const [, name = text, length] = /^(.*)\/(\d{1,3})$/.exec(text) ?? []
  const address = parseAddress(name)
  if (address === undefined) return undefined
  const most = isIP(name) === 4 ? 32 : 128
  const given = length === undefined ? most : Number(length)
  return given > most ? undefined : { address, bits: 128 - most + given }
}

export function isWithin(address: Address, { address: start, bits }: AddressRange): boolean {
  const whole = bits >> 3
  for (let at = 0; at < whole; at++) if (address[at] !== start[at]) return false
  const rest = bits & 7
  return rest === 0 || ((address[whole]! ^ start[whole]!) & (0xff00 >> rest) & 0xff) === 0
}
