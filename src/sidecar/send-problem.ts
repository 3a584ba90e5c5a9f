import type { ServerResponse } from 'node:http'
import { type CrossOriginOptions, crossOriginHeaders } from '../../internal/http/cross-origin.ts'
import { problemResponse } from '../../internal/http/problems.ts'

/** Responds with the problem document of an error without middleware; does nothing after the response has begun. */
export function sendProblem(
  res: ServerResponse,
  thrown: unknown,
  requestId: string,
  pages: CrossOriginOptions | undefined,
): { status: number } {
  const { status, headers, body } = problemResponse(thrown, requestId)
  if (!res.headersSent) {
    const length = Buffer.byteLength(body)
    if (pages !== undefined) {
      Object.assign(headers, crossOriginHeaders(res.req, pages))
      headers.Vary = 'Origin'
    }
    res.writeHead(status, { ...headers, 'X-Request-Id': requestId, 'Content-Length': length }).end(body)
  }
  res.req.resume()
  return { status }
}
