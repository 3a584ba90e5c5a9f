import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests whose clients keep the body until they get 100 Continue. */
const withheld = new WeakSet<IncomingMessage>()

/** Whether the client has been told nothing yet, and may never send its body (RFC 9110, 10.1.1). */
export function isBodyWithheld(req: IncomingMessage): boolean {
  return withheld.has(req)
}

/** Sends 100 Continue when the body is read. A request refused before gets no body, and its connection ends. */
export function continueWhenRead(req: IncomingMessage, res: ServerResponse): void {
  const { shouldKeepAlive } = res
  withheld.add(req)
  res.shouldKeepAlive = false
  const { _read } = req
  req._read = (size) => {
    req._read = _read
    withheld.delete(req)
    // Node reads what nobody has read when the response is out.
    if (!res.headersSent) {
      res.shouldKeepAlive = shouldKeepAlive
      res.writeContinue()
    }
    req._read(size)
  }
}
