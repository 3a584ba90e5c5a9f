import { createServer, type Server, type Socket } from 'node:net'

/** A server that knows its connections: `close` ends them too. */
export function tcpServer(onConnection: (socket: Socket) => void): { server: Server; close(): void } {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {}).once('close', () => open.delete(socket))
    onConnection(socket)
  })
  return {
    server,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
