import type { Socket } from 'node:net'

/** How long a refused body may go on coming in, so that its sender gets to read the response. */
export const LINGER_MS = 2_000

/**
 * Node destroys a connection after its last response. With a body on its way (`isComing`) that is a reset, and the
 * response may be lost: instead this side ends, and reads for a while what comes.
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
