import { closeSync, write, writeSync } from 'node:fs'

export interface LogDestinationOptions {
  fd: number
  /** Several processes write there: what one write takes must then stay whole. */
  shared: boolean
  /** The place cannot be written: told once, until it can be again. */
  onTrouble: (reason: string) => void
  /** It can be written again, or has caught up; so many lines were lost. */
  onMended: (lostLines: number) => void
}

/** Lines wait at most this long, or until there are enough of them: a write for each costs more than the line. */
const FLUSH_MS = 250
const ALONE = { batchBytes: 49_152, maxWriteBytes: 65_536 }
/** PIPE_BUF of Linux: what several processes write to one pipe stays whole up to here; beyond it lines would mix. */
const SHARED = { batchBytes: 3_072, maxWriteBytes: 4_096 }
/** What waits for a disk that is full, or for a slow reader. Beyond it lines are lost: memory must not grow, and orders matter more. */
const MAX_WAITING_BYTES = 8 * 1_048_576
/** At the end of the process, for a pipe whose reader is slow. */
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
  /** Where it wrote before, until the write that is going on there has ended. */
  #formerFd: number | undefined
  readonly #sizes: { batchBytes: number; maxWriteBytes: number }
  /** Whole lines, together as large as one write may be. */
  readonly #batches: string[] = []
  #lastBatchBytes = 0
  #waitingBytes = 0
  /** What is left of the batch that is being written. */
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
    // A place that fails is tried again by the clock, not by each line.
    if (this.#waitingBytes >= this.#sizes.batchBytes && !this.#failing) this.#next()
  }

  /** Writes to another descriptor from now on, and closes the one before. */
  moveTo(fd: number): void {
    this.flushSync()
    // Twice while one write goes on: it is that of the first.
    if (this.#writing && this.#formerFd === undefined) this.#formerFd = this.#fd
    else closeSync(this.#fd)
    this.#fd = fd
  }

  /** Everything that waits, now; what is being written ends by itself. What cannot be written is lost. */
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
    this.#options.onTrouble(error instanceof Error ? error.message : String(error))
  }
}

/** A pipe that is full, whose reader is slow. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY')
}
