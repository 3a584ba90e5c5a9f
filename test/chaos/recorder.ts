import { type FileHandle, open } from 'node:fs/promises'
import type { HistoryRecord } from './history.ts'

/** What a partner has seen, one JSON line each. Lines that come while others are being written share the next fsync. */
export class Recorder {
  readonly #file: FileHandle
  #waiting: { line: string; done: () => void; failed: (error: unknown) => void }[] = []
  #writing = false

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<Recorder> {
    return new Recorder(await open(path, 'a'))
  }

  /** Resolves when the line is on the disk. */
  write(record: HistoryRecord): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ line: `${JSON.stringify(record)}\n`, done, failed })
      if (!this.#writing) void this.#writeAll()
    })
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      try {
        await this.#file.appendFile(batch.map(({ line }) => line).join(''))
        await this.#file.datasync()
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.#writing = false
  }
}
