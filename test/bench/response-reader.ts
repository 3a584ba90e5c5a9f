const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = '\r\n0\r\n\r\n'

/** Takes the bytes of a connection and says when a response has come whole. One request at a time, no pipelining. */
export class ResponseReader {
  readonly #onResponse: (status: number) => void
  /** Of a head, or of a body in chunks, that has not come whole. */
  #pending: Buffer | undefined
  /** 0 before the head is there. */
  #status = 0
  /** Bytes of the body that are still to come; undefined: it comes in chunks. */
  #missing: number | undefined = 0

  constructor(onResponse: (status: number) => void) {
    this.#onResponse = onResponse
  }

  /** `chunk` may be used for other bytes afterwards. Throws Error for what is no response with a known end. */
  take(chunk: Buffer): void {
    let body = chunk
    if (this.#status === 0) {
      const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
      const end = bytes.indexOf(HEAD_END)
      if (end === -1) {
        this.#pending = Buffer.from(bytes)
        return
      }
      this.#pending = undefined
      this.#head(bytes.toString('latin1', 0, end))
      // With the end of the line before it, which is part of what ends a body without chunks.
      body = bytes.subarray(end + (this.#missing === undefined ? 2 : HEAD_END.length))
    }
    if (!this.#ends(body)) return
    const status = this.#status
    this.#status = 0
    this.#onResponse(status)
  }

  #ends(body: Buffer): boolean {
    if (this.#missing === undefined) {
      const bytes = this.#pending === undefined ? body : Buffer.concat([this.#pending, body])
      const isWhole = bytes.toString('latin1', Math.max(bytes.length - LAST_CHUNK.length, 0)) === LAST_CHUNK
      this.#pending = isWhole ? undefined : Buffer.from(bytes)
      return isWhole
    }
    this.#missing -= body.length
    if (this.#missing < 0) throw new Error('more bytes than one response has')
    return this.#missing === 0
  }

  #head(head: string): void {
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? []
    this.#status = Number(head.slice(9, 12))
    const isChunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)
    if (!(this.#status >= 200) || (length === undefined && !isChunked)) {
      throw new Error(`not a response whose end can be seen:\n${head}`)
    }
    this.#missing = isChunked ? undefined : Number(length)
  }
}
