import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
  validateHeaderName,
  validateHeaderValue,
} from 'node:http'

/** What Node takes as a name (RFC 9110: a token) and in a value. */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * A response with its headers as one flat list, which Node writes as it is. Its own object with a pair for each header
 * costs a fifth of a response. The behaviour is the same.
 */
export class FlatResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  /** undefined: none was ever set. */
  #head: OutgoingHttpHeader[] | undefined

  override setHeader(name: string, value: number | string | readonly string[]): this {
    // Throws: it is too late.
    if (this.headersSent) return super.setHeader(name, value)
    const at = this.#find(name)
    if (at < 0 && !NAME.test(name)) validateHeaderName(name)
    if (typeof value !== 'string' || !VALUE.test(value)) checkValue(name, value)
    this.#head ??= []
    const head = this.#head
    const kept = typeof value === 'object' ? [...value] : value
    if (at < 0) {
      head.push(name, kept)
    } else {
      head[at] = name
      head[at + 1] = kept
    }
    return this
  }

  override appendHeader(name: string, value: string | readonly string[]): this {
    if (this.headersSent) return super.appendHeader(name, value)
    const at = this.#find(name)
    const before = this.#head?.[at + 1]
    if (at < 0 || before === undefined) return this.setHeader(name, value)
    checkValue(name, value)
    this.#head?.splice(at + 1, 1, [before, value].flat().map(String))
    return this
  }

  override getHeader(name: string): number | string | string[] | undefined {
    const at = this.#find(name)
    return at < 0 ? undefined : this.#head?.[at + 1]
  }

  override hasHeader(name: string): boolean {
    return this.#find(name) >= 0
  }

  override removeHeader(name: string): void {
    // It throws where it is too late, and remembers that no Date, length or the like is to be added.
    super.removeHeader(name)
    const at = this.#find(name)
    if (at >= 0) this.#head?.splice(at, 2)
  }

  override getHeaderNames(): string[] {
    const names: string[] = []
    const head = this.#head ?? []
    for (let n = 0; n < head.length; n += 2) names.push(String(head[n]).toLowerCase())
    return names
  }

  override getHeaders(): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = Object.create(null)
    for (const name of this.getHeaderNames()) headers[name] = this.getHeader(name)
    return headers
  }

  override writeHead(
    status: number,
    messageOrHeaders?: string | OutgoingHttpHeaders | OutgoingHttpHeader[],
    headers?: OutgoingHttpHeaders | OutgoingHttpHeader[],
  ): this {
    const message = typeof messageOrHeaders === 'string' ? messageOrHeaders : undefined
    const more = typeof messageOrHeaders === 'string' ? headers : messageOrHeaders
    // In a list that stands alone a name may come more than once.
    const isAlone = this.headersSent || this.#head === undefined
    if (!isAlone && more !== undefined) this.#setAll(more)
    const all = isAlone ? more : this.#head
    return message === undefined ? super.writeHead(status, all) : super.writeHead(status, message, all)
  }

  #setAll(headers: OutgoingHttpHeaders | OutgoingHttpHeader[]): void {
    const list = Array.isArray(headers) ? headers : Object.entries(headers).flat(1)
    for (let n = 0; n < list.length; n += 2) {
      const name = String(list[n])
      // Node passes it over.
      if (name !== '') this.setHeader(name, list[n + 1] ?? '')
    }
  }

  /** Where the name is; -1: it is not there. */
  #find(name: string): number {
    const head = this.#head
    if (head === undefined) return -1
    for (let n = 0; n < head.length; n += 2) if (head[n] === name) return n
    for (let n = 0; n < head.length; n += 2) {
      const other = head[n]
      if (typeof other === 'string' && isSameName(other, name)) return n
    }
    return -1
  }
}

/** Without regard to case, and without making texts of its own. Names that begin alike differ at their ends. */
function isSameName(one: string, other: string): boolean {
  if (one.length !== other.length) return false
  for (let n = one.length - 1; n >= 0; n--) {
    const a = one.charCodeAt(n)
    const b = other.charCodeAt(n)
    if (a !== b && !isSameLetter(a, b)) return false
  }
  return true
}

function isSameLetter(a: number, b: number): boolean {
  const lower = a | 0x20
  return lower === (b | 0x20) && lower >= 0x61 && lower <= 0x7a
}

/** Throws what Node throws. */
function checkValue(name: string, value: number | string | readonly string[]): void {
  for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one)
}
