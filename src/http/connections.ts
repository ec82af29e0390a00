/**
 * The connections of a server: how many there may be, in all and from one address, and how long one may take to fetch its
 * answers. Where there is no room for a new connection an old one goes on which no caller was known yet, so a flood without
 * credentials displaces itself and not the others.
 */
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { addressKey } from './addresses.ts'
import type { Floods } from './floods.ts'

export interface ConnectionLimits {
  readonly maxConnections: number
  /** Trusted proxies may have more. */
  readonly maxConnectionsPerAddress: number
  readonly stallTimeoutSeconds: number
}

export interface Connection {
  readonly socket: Socket
  /** What counts as the peer's address; see `addressKey`. */
  readonly address: string
  /** The peer is one of the trusted proxies: what it says of the client counts. */
  readonly isProxy: boolean
  /** A caller was known on it. */
  isKnown: boolean
  /** Set while bytes wait for a reader. */
  unread: Unread | undefined
  /** Called when the connection is closed. */
  readonly atEnd: Set<() => void>
}

/** How far the reader of a connection was when it last made progress. */
interface Unread {
  since: number
  taken: number
  /** What the system still holds of what it took, half-way through the time that a reader has. */
  held: number | undefined
}

export interface Connections {
  /** For each new connection. One for which there is no room is ended. */
  accept(socket: Socket): void
  /** Cuts off readers who made no progress for too long. */
  sweep(): void
  /** A caller is known on it. */
  known(connection: Connection): void
}

const CONNECTION = Symbol('connection')
type Accepted = Socket & { [CONNECTION]?: Connection }

export const connectionOf = (socket: Socket): Connection | undefined => (socket as Accepted)[CONNECTION]

/** A reader who takes less than this in the time that it has makes no progress; and where much waits for readers. */
const [LEAST_BYTES, LEAST_BYTES_IF_CROWDED] = [1024, 1024 * 1024]

const [MAX_LINGERING, LINGER_MS] = [100, 1000]
const NO_ROOM_BODY = '{"error":{"message":"Too many connections; try again","type":"ServiceUnavailableException","code":503}}'
const NO_ROOM = [
  'HTTP/1.1 503 Service Unavailable',
  'Connection: close',
  'Retry-After: 1',
  'Content-Type: application/json',
  `Content-Length: ${NO_ROOM_BODY.length}`,
  '',
  NO_ROOM_BODY,
].join('\r\n')

interface Parts {
  readonly limits: ConnectionLimits
  readonly floods: Floods
  readonly isTrusted: (address: string) => boolean
  /** So much waits for readers that they must hurry. */
  readonly isCrowded: () => boolean
}

const leastBytes = ({ isCrowded }: Parts): number => (isCrowded() ? LEAST_BYTES_IF_CROWDED : LEAST_BYTES)

/** Those of one address, in the order in which they came. */
interface Group {
  readonly all: Set<Connection>
  readonly unknown: Set<Connection>
}

/** What is said to a few of many is enough: each must linger for the client to get to read it. */
function turner(): (socket: Socket) => void {
  let lingering = 0
  return (socket) => {
    if (lingering >= MAX_LINGERING) return void socket.destroy()
    lingering++
    socket.once('close', () => lingering--).end(NO_ROOM)
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}

export function createConnections(parts: Parts): Connections {
  const groups = new Map<string, Group>()
  const turnAway = turner()
  let size = 0

  const add = (connection: Connection): void => {
    let group = groups.get(connection.address)
    if (group === undefined) groups.set(connection.address, (group = { all: new Set(), unknown: new Set() }))
    group.all.add(connection)
    group.unknown.add(connection)
    size++
  }
  const remove = (connection: Connection): void => {
    const group = groups.get(connection.address)
    if (group?.all.delete(connection) !== true) return
    group.unknown.delete(connection)
    size--
    if (group.all.size === 0) groups.delete(connection.address)
  }

  /** @returns whether there was one */
  const displace = (group: Group | undefined, kind: string): boolean => {
    const [oldest] = group?.unknown ?? []
    if (oldest === undefined) return false
    parts.floods.refused(kind, { address: oldest.address })
    remove(oldest)
    oldest.socket.destroy()
    return true
  }
  const makeRoom = (address: string, isProxy: boolean): boolean => {
    const { maxConnections, maxConnectionsPerAddress } = parts.limits
    const own = groups.get(address)
    if (!isProxy && (own?.all.size ?? 0) >= maxConnectionsPerAddress && !displace(own, 'connections of one address')) return false
    if (size < maxConnections) return true
    let largest: Group | undefined
    for (const group of groups.values()) if (group.unknown.size > (largest?.unknown.size ?? 0)) largest = group
    return displace(largest, 'connections')
  }

  return {
    accept: (socket) => {
      const peer = socket.remoteAddress
      if (peer === undefined) return void socket.destroy()
      const [address, isProxy] = [addressKey(peer), parts.isTrusted(peer)]
      if (!makeRoom(address, isProxy)) {
        parts.floods.refused('connections', { address })
        return turnAway(socket)
      }
      const connection: Connection = { socket, address, isProxy, isKnown: false, unread: undefined, atEnd: new Set() }
      add(connection)
      ;(socket as Accepted)[CONNECTION] = connection
      socket.once('close', () => {
        remove(connection)
        for (const end of connection.atEnd) end()
      })
    },
    known: (connection) => {
      connection.isKnown = true
      groups.get(connection.address)?.unknown.delete(connection)
    },
    sweep: () => void sweepReaders(groups, parts),
  }
}

/** Bytes that the system took over, and none that wait in this process. */
function takenBytes(socket: Socket): number {
  // Of a large write the socket itself knows only whether all of it is done; its handle knows how much waits.
  const handle = (socket as Socket & { readonly _handle?: { readonly writeQueueSize?: number } })._handle
  return socket.bytesWritten - (handle?.writeQueueSize ?? socket.writableLength)
}

function sweepReaders(groups: ReadonlyMap<string, Group>, parts: Parts): Promise<void> | undefined {
  const now = performance.now()
  const limitMs = parts.limits.stallTimeoutSeconds * 1000
  const least = leastBytes(parts)
  const suspects: Connection[] = []
  for (const { all } of groups.values()) {
    for (const connection of all) {
      const { socket, unread } = connection
      if (socket.writableLength === 0) connection.unread = undefined
      else {
        const taken = takenBytes(socket)
        if (unread === undefined || taken - unread.taken >= least) {
          connection.unread = { since: now, taken, held: undefined }
        } else if (now - unread.since >= limitMs || (unread.held === undefined && now - unread.since >= limitMs / 2)) {
          suspects.push(connection)
        }
      }
    }
  }
  return suspects.length === 0 ? undefined : judge(suspects, limitMs, parts)
}

/** The system takes large pieces at a time, so a slow reader may have got on though the system took nothing for long. */
async function judge(suspects: readonly Connection[], limitMs: number, parts: Parts): Promise<void> {
  const held = await heldBySystem()
  const least = leastBytes(parts)
  const now = performance.now()
  for (const connection of suspects) {
    const { socket, unread } = connection
    if (unread === undefined || socket.destroyed) continue
    const holds = held.get(`${socket.localPort} ${socket.remotePort}`) ?? 0
    if (unread.held === undefined) unread.held = holds
    else if (unread.held - holds >= least) connection.unread = { since: now, taken: takenBytes(socket), held: holds }
    if (connection.unread === unread && now - unread.since >= limitMs) {
      parts.floods.refused('slow readers', { address: connection.address })
      socket.destroy()
    }
  }
}

/**
 * Of each TCP connection of this machine, by local and remote port, what was not acknowledged yet, in bytes. Linux alone says
 * so (proc_pid_net(5)); connections that share both ports are added up.
 */
async function heldBySystem(): Promise<ReadonlyMap<string, number>> {
  const held = new Map<string, number>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'latin1').catch(() => '')
    for (const [, local = '', remote = '', waiting = ''] of text.matchAll(
      /:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) 01 ([0-9A-F]{8}):/g,
    )) {
      const key = `${Number.parseInt(local, 16)} ${Number.parseInt(remote, 16)}`
      held.set(key, (held.get(key) ?? 0) + Number.parseInt(waiting, 16))
    }
  }
  return held
}
