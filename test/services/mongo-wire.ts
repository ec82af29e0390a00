/**
 * A proxy on loopback in front of MongoDB or its stand-in that reads what a driver sends, command by command, and counts round
 * trips: commands that are under way together are one. It says of a server alone that it belongs to a replica set, so that
 * the driver asks of it what it asks of one.
 */
import { BSON, type Document } from 'mongodb'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface MongoWire {
  readonly url: string
  /** What was sent since the last `forget`, without the driver's own business (its handshakes, for one). */
  readonly commands: readonly Document[]
  readonly trips: number
  /** Begins anew. */
  forget(): void
  close(): Promise<void>
}

const OP_MSG = 2013
const HEADER = 16
/** Long enough for those that are sent together to be under way together, on connections of their own. */
const DELAY_MS = 15
const OWN_BUSINESS = new Set(['hello', 'isMaster', 'ismaster', 'ping', 'endSessions', 'buildInfo', 'saslStart', 'saslContinue'])

export async function startMongoWire(target: string): Promise<MongoWire> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const state = { commands: [] as Document[], trips: 0, underWay: 0 }
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const asked = new Map<number, string>()
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const counted = (id: number): boolean => !OWN_BUSINESS.has(asked.get(id) ?? 'hello')
    eachMessage(client, (message) => {
      if (message.readInt32LE(12) === OP_MSG) {
        const command = commandIn(message)
        const id = message.readInt32LE(4)
        asked.set(id, Object.keys(command)[0] ?? '')
        if (counted(id)) {
          state.commands.push(command)
          if (state.underWay++ === 0) state.trips++
        }
      }
      upstream.write(message)
    })
    eachMessage(upstream, (message) => {
      const id = message.readInt32LE(8)
      if (!counted(id)) {
        const isHello = /^(hello|ismaster)$/i.test(asked.get(id) ?? '')
        client.write(isHello && message.readInt32LE(12) === OP_MSG ? inReplicaSet(message) : message)
        return
      }
      setTimeout(() => {
        state.underWay--
        client.write(message)
      }, DELAY_MS)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  return {
    url: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(address.port) }).href,
    get commands() {
      return state.commands
    },
    get trips() {
      return state.trips
    },
    forget: () => {
      state.commands = []
      state.trips = 0
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function eachMessage(socket: Socket, take: (message: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= HEADER && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0)
      take(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  })
}

/** The body, with the sequences of documents that travel beside it in their places. */
function commandIn(message: Buffer): Document {
  let command: Document = {}
  for (let at = HEADER + 4; at < message.length;) {
    const kind = message[at++]
    const size = message.readInt32LE(at)
    const section = message.subarray(at, at + size)
    at += size
    if (kind === 0) {
      command = { ...BSON.deserialize(section), ...command }
      continue
    }
    const nameEnd = section.indexOf(0, 4)
    const documents: Document[] = []
    for (let from = nameEnd + 1; from < size; from += section.readInt32LE(from)) {
      documents.push(BSON.deserialize(section.subarray(from, from + section.readInt32LE(from))))
    }
    command[section.toString('utf8', 4, nameEnd)] = documents
  }
  return command
}

function inReplicaSet(message: Buffer): Buffer {
  const body = BSON.serialize({ setName: 'test', ...BSON.deserialize(message.subarray(HEADER + 5)) })
  const changed = Buffer.concat([message.subarray(0, HEADER + 5), body])
  changed.writeInt32LE(changed.length, 0)
  return changed
}
