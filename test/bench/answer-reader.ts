const HEAD_END = Buffer.from('\r\n\r\n')

/** Takes the bytes of a connection and says when an answer has come whole. One request at a time, no pipelining. */
export class AnswerReader {
  readonly #onAnswer: (status: number) => void
  #pending: Buffer | undefined
  /** Bytes of the body that are still to come, once the head is there. */
  #missing = 0
  #status = 0

  constructor(onAnswer: (status: number) => void) {
    this.#onAnswer = onAnswer
  }

  /** `chunk` may be used for other bytes afterwards. Throws Error for what is no answer with a Content-Length. */
  take(chunk: Buffer): void {
    if (this.#status !== 0) {
      this.#missing -= chunk.length
    } else {
      const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
      const end = bytes.indexOf(HEAD_END)
      if (end === -1) {
        this.#pending = Buffer.from(bytes)
        return
      }
      this.#pending = undefined
      this.#head(bytes.toString('latin1', 0, end))
      this.#missing -= bytes.length - end - HEAD_END.length
    }
    if (this.#missing > 0) return
    if (this.#missing < 0) throw new Error('more bytes than one answer has')
    const status = this.#status
    this.#status = 0
    this.#onAnswer(status)
  }

  #head(head: string): void {
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? []
    this.#status = Number(head.slice(9, 12))
    if (length === undefined || !(this.#status >= 200))
      throw new Error(`not an answer that is known:\n${head}`)
    this.#missing = Number(length)
  }
}
