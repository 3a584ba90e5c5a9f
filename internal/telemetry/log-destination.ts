import { closeSync, write, writeSync } from 'node:fs'
import { errorMessage } from '../core/error-message.ts'

export interface LogDestinationOptions {
  fd: number
  /** Several processes write there, so that each write must be atomic. */
  shared: boolean
  /** Called once when it cannot be written. */
  onTrouble: (reason: string) => void
  /** Called when it can be written again, with the number of lost lines. */
  onMended: (lostLines: number) => void
}

/** The longest wait of a line: a write for each would cost more than the line. */
const FLUSH_MS = 250
const ALONE = { batchBytes: 49_152, maxWriteBytes: 65_536 }
/** PIPE_BUF of Linux: up to here writes of several processes to one pipe do not mix. */
const SHARED = { batchBytes: 3_072, maxWriteBytes: 4_096 }
/** For a full disk or a slow reader. Beyond it lines are lost, since memory must not grow. */
const MAX_WAITING_BYTES = 8 * 1_048_576
/** At the end of the process, for a slow reader. */
const FINAL_WAIT_MS = 500
/** Until a pipe that is full is tried again. */
const PAUSE_MS = 10

const all = new Set<LogDestination>()
process.on('exit', () => {
  for (const one of all) one.flushSync()
})

/**
 * Writes lines in batches, in order. While the place cannot be written lines are lost, and it tries again: it never
 * throws or blocks. (The destination of pino waits for ever on a full disk at the end.)
 */
export class LogDestination {
  readonly #options: LogDestinationOptions
  #fd: number
  /** The descriptor before, until its last write has ended. */
  #formerFd: number | undefined
  readonly #sizes: { batchBytes: number; maxWriteBytes: number }
  /** Complete lines, each batch as large as one write may be. */
  readonly #batches: string[] = []
  #lastBatchBytes = 0
  #waitingBytes = 0
  /** The rest of the batch in flight. */
  #rest: Buffer | undefined
  #writing = false
  #failing = false
  #lostLines = 0

  constructor(options: LogDestinationOptions) {
    this.#options = options
    this.#fd = options.fd
    this.#sizes = options.shared ? SHARED : ALONE
    setInterval(() => this.#next(), FLUSH_MS).unref()
    all.add(this)
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      this.#lostLines++
      return
    }
    this.#waitingBytes += bytes
    const last = this.#batches.length - 1
    if (last >= 0 && this.#lastBatchBytes + bytes <= this.#sizes.maxWriteBytes) {
      this.#batches[last] += line
      this.#lastBatchBytes += bytes
    } else {
      this.#batches.push(line)
      this.#lastBatchBytes = bytes
    }
    // After a failure only the timer tries again.
    if (this.#waitingBytes >= this.#sizes.batchBytes && !this.#failing) this.#next()
  }

  /** Writes to another descriptor and closes the one before. */
  moveTo(fd: number): void {
    this.flushSync()
    // If it is called twice during one write, that write is to the first descriptor.
    if (this.#writing && this.#formerFd === undefined) this.#formerFd = this.#fd
    else closeSync(this.#fd)
    this.#fd = fd
  }

  /** Writes all that waits; a write in flight ends by itself. What cannot be written is lost. */
  flushSync(): void {
    const untilMs = performance.now() + FINAL_WAIT_MS
    for (;;) {
      const chunk = this.#take()
      if (chunk === undefined) return
      try {
        this.#wrote(chunk, writeSync(this.#fd, chunk))
      } catch (error) {
        this.#rest = chunk
        if (!isBusy(error)) {
          this.#failed(error)
          return
        }
        if (performance.now() > untilMs) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
      }
    }
  }

  #next(): void {
    if (this.#writing) return
    const chunk = this.#take()
    if (chunk === undefined) return
    this.#writing = true
    write(this.#fd, chunk, (error, written) => {
      this.#writing = false
      if (this.#formerFd !== undefined) closeSync(this.#formerFd)
      this.#formerFd = undefined
      if (error === null) {
        this.#wrote(chunk, written)
        if (this.#rest !== undefined || this.#waitingBytes >= this.#sizes.batchBytes) this.#next()
        return
      }
      this.#rest = chunk
      if (isBusy(error)) setTimeout(() => this.#next(), PAUSE_MS).unref()
      else this.#failed(error)
    })
  }

  #take(): Buffer | undefined {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) return rest
    const batch = this.#batches.shift()
    return batch === undefined ? undefined : Buffer.from(batch)
  }

  #wrote(chunk: Buffer, bytes: number): void {
    this.#waitingBytes -= bytes
    if (bytes < chunk.length) this.#rest = chunk.subarray(bytes)
    if (!this.#failing && this.#lostLines === 0) return
    this.#failing = false
    const lost = this.#lostLines
    this.#lostLines = 0
    this.#options.onMended(lost)
  }

  #failed(error: unknown): void {
    if (this.#failing) return
    this.#failing = true
    this.#options.onTrouble(errorMessage(error))
  }
}

/** A full pipe. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY')
}
