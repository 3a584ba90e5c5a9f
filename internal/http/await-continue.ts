import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests whose clients wait for 100 Continue before they send the body. */
const withheld = new WeakSet<IncomingMessage>()

/** Whether the client still waits for 100 Continue; it may never send its body (RFC 9110, 10.1.1). */
export function isBodyWithheld(req: IncomingMessage): boolean {
  return withheld.has(req)
}

/**
 * Sends 100 Continue when the body is first read. If the request is refused before that, no body is requested and the
 * connection ends with the response.
 */
export function continueWhenRead(req: IncomingMessage, res: ServerResponse): void {
  const { shouldKeepAlive } = res
  withheld.add(req)
  res.shouldKeepAlive = false
  const { _read } = req
  req._read = (size) => {
    req._read = _read
    withheld.delete(req)
    // Node.js reads an unread body itself after the response was sent; then 100 Continue is too late.
    if (!res.headersSent) {
      res.shouldKeepAlive = shouldKeepAlive
      res.writeContinue()
    }
    req._read(size)
  }
}
