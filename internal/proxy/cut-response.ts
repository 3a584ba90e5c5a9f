import type { ServerResponse } from 'node:http'

/**
 * Ends an incomplete response so that its client notices. Without length and chunks, as in HTTP/1.0, an end of the
 * connection would look complete: it is reset (RFC 9112, 8).
 */
export function cutResponse(res: ServerResponse, hasLength: boolean): void {
  const { socket } = res
  if (hasLength || res.chunkedEncoding || socket === null) res.destroy()
  else socket.resetAndDestroy()
}
