import type { Socket } from 'node:net'

/** How long the rest of a refused body is read, so that its sender can read the response. */
export const LINGER_MS = 2_000

/**
 * Node.js destroys a connection after its last response. While the client still sends a body (`isIncoming`), that is a
 * TCP reset and the response may be lost. Instead, this ends our side and discards incoming data for up to `LINGER_MS`.
 */
export function closeAfterBody(socket: Socket, isIncoming: () => boolean): void {
  const { destroySoon } = socket
  socket.destroySoon = () => {
    if (!isIncoming()) return destroySoon.call(socket)
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer)).once('end', () => socket.destroy())
    // The HTTP parser gets no more data: a request after the body gets no response.
    socket.removeAllListeners('data').on('data', () => {})
    socket.end()
  }
}
