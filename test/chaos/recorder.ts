import { closeSync, openSync, writeSync } from 'node:fs'
import type { HistoryRecord } from './history.ts'

/**
 * What a partner has seen, one JSON line each. Lines of one turn of the event loop share a write. A line that was written
 * is the kernel's: it outlives its partner, whatever ends that. Nothing outlives the machine, and no run does either.
 */
export class Recorder {
  readonly #file: number
  #lines: string[] = []
  #written: Promise<void> | undefined

  private constructor(file: number) {
    this.#file = file
  }

  static open(path: string): Recorder {
    return new Recorder(openSync(path, 'a'))
  }

  /** Resolves when the line is in the file. */
  write(record: HistoryRecord): Promise<void> {
    this.#lines.push(`${JSON.stringify(record)}\n`)
    this.#written ??= new Promise((resolve, reject) =>
      setImmediate(() => {
        try {
          this.#writeAll()
          resolve()
        } catch (error) {
          reject(error)
        }
      }),
    )
    return this.#written
  }

  close(): void {
    this.#writeAll()
    closeSync(this.#file)
  }

  #writeAll(): void {
    const bytes = Buffer.from(this.#lines.splice(0).join(''))
    this.#written = undefined
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at)
  }
}
