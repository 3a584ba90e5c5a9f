import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'

/**
 * Connections on which undici follows RFC 9110 and RFC 9112 in three cases: an unexpected interim response 100, a reset
 * within a response without a length, and a reset that Node.js reports as an end.
 */
export function connectBackend(timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs })
  return (options, callback) => {
    // The name of the target, whose certificate is checked; undici would take the Host header.
    connect({ ...options, servername: '' }, (...made) => {
      // A failed connection has no socket.
      if (made[0] === null) {
        markResets(made[1])
        // With TLS Node.js does not report how the connection ended: see docs/sidecar.md.
        if (!(made[1] instanceof TLSSocket)) askAtEnd(made[1])
        dropContinue(made[1])
      }
      callback(...made)
    })
  }
}

/** The code of a reset; undici takes ECONNRESET for an end where a response has no length. */
const RESET = 'ERR_BACKEND_RESET'

function markResets(socket: Socket): void {
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') error.code = RESET
  })
}

const NOTHING = Buffer.alloc(0)

/**
 * Node.js 20 and 22 (libuv up to 1.51) report a reset as an end when it arrives with the last bytes. An empty write sends
 * nothing and fails after a reset.
 */
function askAtEnd(socket: Socket): void {
  const { push, write } = socket
  socket.push = (chunk: unknown): boolean => {
    // With bytes in flight a write would wait; a reset fails those.
    if (chunk !== null || socket.destroyed || !socket.writable || socket.writableLength > 0)
      return push.call(socket, chunk)
    const answered = (error?: Error | null) => {
      // An error destroys the connection.
      if (!error && !socket.destroyed) push.call(socket, null)
    }
    Reflect.apply(write, socket, [NOTHING, answered])
    return true
  }
}

/** Longer ones are left to the parser. */
const MAX_INTERIM_BYTES = 16_384
const END = '\r\n\r\n'

/** `write` of a socket in all its forms. */
interface AnyWrite {
  write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean
}

/** Removes unexpected interim responses 100, which a client must be able to parse (RFC 9110, 15.2). */
function dropContinue(socket: Socket): void {
  const { push } = socket
  const { write }: AnyWrite = socket
  let awaiting = false
  let held: Buffer | undefined

  socket.write = (chunk: unknown, encoding?: unknown, callback?: unknown): boolean => {
    if (isRequestHead(chunk)) awaiting = true
    return write.call(socket, chunk, encoding, callback)
  }
  socket.push = (chunk: unknown): boolean => {
    if (!awaiting) return push.call(socket, chunk)
    if (!(chunk instanceof Buffer)) {
      awaiting = false
      if (held !== undefined) push.call(socket, held)
      return push.call(socket, chunk)
    }
    let bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
    held = undefined
    while (isInterim(bytes)) {
      const end = bytes.indexOf(END)
      if (end === -1 && bytes.length < MAX_INTERIM_BYTES && !bytes.includes('\n\n')) {
        held = bytes
        return true
      }
      if (end === -1) break
      if (bytes.toString('latin1', 9, 12) !== '100') push.call(socket, bytes.subarray(0, end + END.length))
      bytes = bytes.subarray(end + END.length)
      if (bytes.length === 0) return true
    }
    awaiting = false
    return push.call(socket, bytes)
  }
}

/** undici writes the head as one text; pieces of a body are bytes, or begin with a length in lower case. */
function isRequestHead(written: unknown): boolean {
  if (typeof written !== 'string') return false
  const first = written.charCodeAt(0)
  return first >= 0x41 && first <= 0x5a
}

const INTERIM = 'HTTP/1.1 1'
const SWITCHING = 'HTTP/1.1 101'

/** Whether these bytes begin, or may begin, with an interim response. After 101 another protocol would follow. */
function isInterim(bytes: Buffer): boolean {
  if (bytes.length >= INTERIM.length && bytes[INTERIM.length - 1] !== 0x31) return false
  const text = bytes.toString('latin1', 0, SWITCHING.length).replace(/^HTTP\/1\.0/, 'HTTP/1.1')
  return (INTERIM.startsWith(text) || text.startsWith(INTERIM)) && text !== SWITCHING
}
