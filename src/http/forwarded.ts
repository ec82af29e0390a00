/**
 * What proxies say of the client before them: X-Forwarded-For, -Proto, -Host and -Prefix. They count where the peer is a
 * trusted proxy, and of a list only what trusted proxies wrote: each adds its peer at the end, so the client is the last one
 * that is no trusted proxy. What stands before that was sent by the client, and is passed over, as is what is malformed.
 * (`Forwarded` of RFC 7239 is not read: two sources could contradict each other, and proxies pass on the one they don't set.)
 */
import type { IncomingHttpHeaders } from 'node:http'
import { addressKey, isWithin, parseAddress, type AddressRange } from './addresses.ts'

export interface Forwarded {
  /** What counts as the client's address; undefined where no proxy says. */
  readonly address: string | undefined
  readonly scheme: 'http' | 'https' | undefined
  /** With the port where there is one. */
  readonly host: string | undefined
  /** Of paths, before what this server sees: begins with a slash and does not end with one. */
  readonly prefix: string | undefined
}

export const isTrusted = (ranges: readonly AddressRange[], peer: string): boolean => {
  if (ranges.length === 0) return false
  const address = parseAddress(peer)
  return address !== undefined && ranges.some((range) => isWithin(address, range))
}

/** More are a client's nonsense. */
const MAX_HOPS = 32
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
const PREFIX = /^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+\/?$/

const itemsOf = (header: string | string[] | undefined): string[] =>
  (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((item) => item.trim())

/** Some write the port, too. */
const addressIn = (item: string): string => /^\[([^\]]*)\](?::\d+)?$/.exec(item)?.[1] ?? /^([\d.]+):\d+$/.exec(item)?.[1] ?? item

/** Of a request whose peer is a trusted proxy. */
export function readForwarded(headers: IncomingHttpHeaders, ranges: readonly AddressRange[]): Forwarded {
  const hops = itemsOf(headers['x-forwarded-for']).toReversed().slice(0, MAX_HOPS).map(addressIn)
  let address: string | undefined
  let proxies = 0
  for (const hop of hops) {
    if (parseAddress(hop) === undefined) break
    address = addressKey(hop)
    if (!isTrusted(ranges, hop)) break
    proxies++
  }
  // Written by the same proxy that wrote the client's address, where each adds to the list; else by the last one.
  const item = (name: string): string => {
    const items = itemsOf(headers[name])
    return items[Math.max(0, items.length - 1 - proxies)] ?? ''
  }
  const [scheme, host, prefix] = [item('x-forwarded-proto').toLowerCase(), item('x-forwarded-host'), item('x-forwarded-prefix')]
  return {
    address,
    scheme: scheme === 'http' || scheme === 'https' ? scheme : undefined,
    host: HOST.test(host) ? host : undefined,
    prefix: PREFIX.test(prefix) && !/\/\.{1,2}(\/|$)/.test(prefix) ? prefix.replace(/\/$/, '') : undefined,
  }
}
