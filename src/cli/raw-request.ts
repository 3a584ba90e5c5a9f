import { WireBody } from '../../internal/core/request-state.ts'
import type { SignedRequest } from '../../internal/signature/schemes.ts'

const REQUEST_LINE = /^([^\s:]+) (\S+)(?: HTTP\/[0-9.]+)?$/

/** A recorded request: request line, headers, an empty line, body; lines may end in LF. `notes`: what did not fit. */
export function parseRawRequest(bytes: Buffer): { request: SignedRequest; notes: string[] } {
  const text = bytes.toString('latin1').replace(/^(\r?\n)+/, '')
  const end = /\r?\n\r?\n/.exec(text)
  const head = end === null ? text.replace(/\r?\n$/, '') : text.slice(0, end.index)
  const rest = end === null ? '' : text.slice(end.index + end[0].length)
  const [first = '', ...lines] = head.split(/\r?\n/)
  const [, method, target] = REQUEST_LINE.exec(first) ?? []
  if (method === undefined || target === undefined) {
    throw new Error(
      `the request must begin with METHOD /PATH HTTP/1.1, not ${JSON.stringify(first.slice(0, 60))}`,
    )
  }
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    if (colon < 1)
      throw new Error(`${JSON.stringify(line.slice(0, 60))} is no header; headers end with an empty line`)
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
  const { body, notes } = bodyOf(Buffer.from(rest, 'latin1'), rawHeaders)
  return { request: { method, target, rawHeaders, body: new WireBody(body) }, notes }
}

function bodyOf(rest: Buffer, rawHeaders: readonly string[]): { body: Buffer; notes: string[] } {
  const header = (name: string) =>
    rawHeaders.find((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
  if (header('transfer-encoding') !== undefined)
    throw new Error('the request has Transfer-Encoding: record it with its body as it is without chunks')
  const length = header('content-length')
  if (length === undefined || !/^\d{1,9}$/.test(length) || Number(length) === rest.length)
    return { body: rest, notes: [] }
  const declared = Number(length)
  // Editors add a newline at the end of the file.
  if (declared < rest.length)
    return { body: rest.subarray(0, declared), notes: [cut(rest.length - declared)] }
  return { body: rest, notes: [`Content-Length is ${declared}, but the body here has ${rest.length} bytes`] }
}

function cut(extra: number): string {
  return `${extra} bytes behind the body (by its Content-Length) are left out`
}
