import type { Socket } from 'node:net'

/** How long a refused body may go on coming in, so that its sender gets to read the response. */
export const LINGER_MS = 2_000

/**
 * Node destroys a connection once its last response is out. Where a body is still on its way (`isComing`) that resets the
 * connection, and the response may be lost with it: instead this side of it ends, and what comes is read and thrown away
 * until the client ends its own, or for a while.
 */
export function closeAfterBody(socket: Socket, isComing: () => boolean): void {
  const { destroySoon } = socket
  socket.destroySoon = () => {
    if (!isComing()) return destroySoon.call(socket)
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer)).once('end', () => socket.destroy())
    // Not by the parser: what may follow the body gets no response any more.
    socket.removeAllListeners('data').on('data', () => {})
    socket.end()
  }
}
