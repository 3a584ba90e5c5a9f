import type { ServerResponse } from 'node:http'

/**
 * Ends a response that is not whole so that its client notices. With a length or in chunks the end of the connection
 * shows that something is missing; without both, as HTTP/1.0 has it, it would be the end of the body: there the
 * connection is reset (RFC 9112, 8).
 */
export function cutResponse(res: ServerResponse, hasLength: boolean): void {
  const { socket } = res
  if (hasLength || res.chunkedEncoding || socket === null) res.destroy()
  else socket.resetAndDestroy()
}
