import type { Socket } from 'node:net'

export const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

const CHUNKS = '\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n'
export const BROKEN = {
  twoLengths: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
  noHttp: 'hello\r\n\r\n',
  lessThanItsLength: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok',
  chunksWithoutEnd: `HTTP/1.1 200 OK${CHUNKS}`,
  chunksWithoutEndClosing: `HTTP/1.1 200 OK\r\nConnection: close${CHUNKS}`,
}

/** What a raw backend does with its connection once it has sent what it sends; dribble: a byte at a time, without end. */
export type Ending = 'end' | 'reset' | 'stay' | 'dribble'

export function sendThen(socket: Socket, bytes: string, ending: Ending): void {
  socket.write(bytes, 'latin1', () => {
    if (ending === 'end') socket.end()
    if (ending === 'dribble') {
      const timer = setInterval(() => socket.write('x'), 50)
      socket.once('close', () => clearInterval(timer))
    }
    // Behind what was written: a reset throws away what the other side has not read yet.
    if (ending === 'reset') setTimeout(() => socket.resetAndDestroy(), 100)
  })
}
