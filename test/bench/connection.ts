import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { toError } from '../../internal/core/to-error.ts'
import { ResponseReader } from './response-reader.ts'

/** Room for what the kernel hands over at once. */
const READ_BYTES = 65_536

/** A kept connection that carries one request at a time, with as little work for each as Node allows. */
export class Connection {
  readonly #socket: Socket
  #isOver = false
  /** Rejects when the other side closes it, or returns what cannot be read. */
  readonly closed: Promise<void>
  /** What the latency of the response counts from; performance.now(). */
  dueMs = 0

  private constructor(port: number, onResponse: (connection: Connection, status: number) => void) {
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    const reader = new ResponseReader((status) => onResponse(this, status))
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          try {
            reader.take(buffer.subarray(0, length))
          } catch (error) {
            this.#socket.destroy(toError(error))
          }
          return true
        },
      },
    })
    this.closed = once(this.#socket, 'close').then(() => {
      if (!this.#isOver) throw new Error('the contestant closed a connection')
    })
    // It is awaited when the load is over; until then it is not looked at.
    this.closed.catch(() => {})
  }

  static async open(
    port: number,
    onResponse: (connection: Connection, status: number) => void,
  ): Promise<Connection> {
    const connection = new Connection(port, onResponse)
    await once(connection.#socket, 'connect')
    return connection
  }

  send(request: Buffer, dueMs: number): void {
    this.dueMs = dueMs
    this.#socket.write(request)
  }

  abandon(reason: string): void {
    this.#socket.destroy(new Error(reason))
  }

  close(): void {
    this.#isOver = true
    this.#socket.end()
  }
}
