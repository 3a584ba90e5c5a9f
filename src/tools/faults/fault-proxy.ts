import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { seeded } from '../simulator/seeded.ts'
import {
  type Direction,
  type FaultKind,
  type FaultPlan,
  type Faults,
  NO_FAULTS,
  type Struck,
} from './faults.ts'
import { Lane } from './lane.ts'

export interface FaultProxyOptions {
  target: { host: string; port: number }
  /** Where to listen: 127.0.0.1, a free port. */
  host?: string
  port?: number
  /** The same seed chooses the same faults for the same connections. */
  seed?: string
  now?: () => number
  onStruck?: (struck: Struck) => void
}

export interface FaultStats {
  /** All so far, and open ones. */
  connections: number
  open: number
  /** Connections that the target did not take. */
  targetErrors: number
  /** Bytes that were passed on, and dropped ones. */
  passed: Record<Direction, number>
  swallowed: Record<Direction, number>
  /** Connections by kind of fault, counted for each direction; latency counts when the first byte waits. */
  struck: Record<FaultKind, number>
}

interface Connection {
  n: number
  client: Socket
  target: Socket
  lanes: Lane[]
}

/** After a dropped end of stream the connection would stay for ever: as long as a TCP stack keeps a lost peer. */
const LINGER_MS = 60_000
/** For the other side of a cut connection to end. */
const FAREWELL_MS = 1_000
/** Longer than connecting takes on one machine. */
const CONNECT_MS = 5_000

/** A TCP proxy that injects network faults. `set()` is for new connections, `apply()` for open ones. */
export class FaultProxy {
  readonly #options: FaultProxyOptions
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
  readonly #open = new Set<Connection>()
  readonly #now: () => number
  #plan: FaultPlan = () => NO_FAULTS
  #port = 0
  #stats: Omit<FaultStats, 'open'> = {
    connections: 0,
    targetErrors: 0,
    passed: { up: 0, down: 0 },
    swallowed: { up: 0, down: 0 },
    struck: { latency: 0, rate: 0, cut: 0, reset: 0, blackhole: 0, hold: 0, 'half-close': 0, refuse: 0 },
  }

  constructor(options: FaultProxyOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#port = options.port ?? 0
  }

  /** The port, also while it does not listen. */
  get port(): number {
    return this.#port
  }

  /** Listens; after stopListening() on the same port again. Rejects when the port is taken. */
  async start(): Promise<this> {
    this.#server.listen(this.#port, this.#options.host ?? '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    return this
  }

  /** New connections are refused by the kernel (ECONNREFUSED); those that are open stay. */
  stopListening(): void {
    if (this.#server.listening) this.#server.close()
  }

  /** For new connections. */
  set(faults: Faults | FaultPlan): void {
    this.#plan = typeof faults === 'function' ? faults : () => faults
  }

  /** For open connections; bytes count from now on. */
  apply(faults: Faults): void {
    for (const { lanes } of this.#open) for (const lane of lanes) lane.use(faults)
  }

  /** Ends every open connection, in order or by RST. */
  cutAll(how: 'close' | 'reset'): void {
    for (const connection of this.#open) {
      this.#strike(how === 'reset' ? 'reset' : 'cut', connection.n)
      end(connection, how)
    }
  }

  stats(): FaultStats {
    const { passed, swallowed, struck, ...rest } = this.#stats
    return {
      ...rest,
      open: this.#open.size,
      passed: { ...passed },
      swallowed: { ...swallowed },
      struck: { ...struck },
    }
  }

  async close(): Promise<void> {
    this.stopListening()
    const gone = [...this.#open].flatMap(({ client, target }) => [client, target]).map(closed)
    for (const connection of this.#open) end(connection, 'reset')
    await Promise.all(gone)
  }

  #accept(client: Socket): void {
    const n = ++this.#stats.connections
    const random = seeded(`${this.#options.seed ?? ''}/${n}`)
    const faults = this.#plan(n, random)
    client.on('error', () => {})
    if (faults.refuse === true) {
      this.#strike('refuse', n)
      client.resetAndDestroy()
      return
    }
    const target = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true })
    const connection: Connection = { n, client, target, lanes: [] }
    this.#open.add(connection)
    const slow = setTimeout(() => target.destroy(new Error('the target does not respond')), CONNECT_MS)
    target.once('connect', () => {
      clearTimeout(slow)
      connection.lanes = [
        this.#lane(connection, 'up', faults, random),
        this.#lane(connection, 'down', faults, random),
      ]
    })
    target.on('error', () => {
      if (connection.lanes.length === 0) this.#stats.targetErrors++
    })
    for (const socket of [client, target]) {
      socket.once('close', (failed) => {
        clearTimeout(slow)
        const [away, lane] = socket === client ? [target, connection.lanes[0]] : [client, connection.lanes[1]]
        // A reset is passed on, except through a blackhole; an end in order went through the lanes.
        if (lane?.silent === true) {
          lane.endAfterHeld()
          linger(away)
        } else if (failed) end(connection, 'reset')
        else if (!socket.readableEnded) end(connection, 'close')
        if (client.destroyed && target.destroyed) this.#open.delete(connection)
      })
    }
  }

  #lane(connection: Connection, direction: Direction, faults: Faults, random: () => number): Lane {
    const { n, client, target } = connection
    const [source, sink] = direction === 'up' ? [client, target] : [target, client]
    return new Lane({
      source,
      sink,
      direction,
      faults,
      random,
      now: this.#now,
      onBytes: (passed, swallowed) => {
        this.#stats.passed[direction] += passed
        this.#stats.swallowed[direction] += swallowed
      },
      onStruck: (kind, bytes) => this.#strike(kind, n, direction, bytes),
      cut: (reset) => end(connection, reset ? 'reset' : 'close'),
      onDone: () => {
        // Node destroys a socket that has ended on both sides; after a dropped end the timer does.
        if (source.readableEnded && !sink.writableEnded && !sink.destroyed) linger(sink)
      },
    })
  }

  #strike(kind: FaultKind, connection: number, direction?: Direction, bytes?: number): void {
    this.#stats.struck[kind]++
    this.#options.onStruck?.({
      connection,
      kind,
      ...(direction === undefined ? {} : { direction }),
      ...(bytes === undefined ? {} : { bytes }),
    })
  }
}

function end({ client, target, lanes }: Connection, how: 'close' | 'reset'): void {
  for (const lane of lanes) lane.stop()
  for (const socket of [client, target]) {
    if (socket.destroyed) continue
    if (how === 'reset') reset(socket)
    else {
      // Unread bytes would turn the end into an RST: they are read and dropped.
      socket.resume().end()
      linger(socket, FAREWELL_MS)
    }
  }
}

/** Closes a socket that cannot be reset: not connected, or an end is being sent (EINVAL of libuv). */
function reset(socket: Socket): void {
  const ending = socket.writableEnded && !socket.writableFinished
  if (socket.connecting || ending) socket.destroy()
  else socket.resetAndDestroy()
}

function linger(socket: Socket, forMs = LINGER_MS): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), forMs).unref()
  socket.once('close', () => clearTimeout(timer))
}

async function closed(socket: Socket): Promise<void> {
  // Not events.once(), which rejects for an error.
  await new Promise<void>((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}
