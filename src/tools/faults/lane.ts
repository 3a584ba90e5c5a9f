import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { concerns, type Direction, type FaultKind, type Faults } from './faults.ts'

export interface LaneOptions {
  source: Socket
  sink: Socket
  direction: Direction
  faults: Faults
  random: () => number
  now: () => number
  onBytes: (passed: number, swallowed: number) => void
  /** Called once for each kind of fault; `bytes` had passed before. */
  onStruck: (kind: FaultKind, bytes: number) => void
  /** Ends both connections. */
  cut: (reset: boolean) => void
  /** The source has ended and everything has passed, or nothing can pass any more. */
  onDone: () => void
}

/** Read and not yet passed on; beyond it the source is paused. */
const MAX_IN_FLIGHT_BYTES = 1_048_576
/** A limited rate passes this much at a time: about 20 pieces a second. */
const PIECES_PER_SECOND = 20

/** One direction of a connection: bytes are delayed in order, and passed or dropped, as the faults say. */
export class Lane {
  readonly #options: LaneOptions
  readonly #random: () => number
  #faults: Faults
  /** null: the end of the stream. */
  readonly #inFlight: { bytes: Buffer | null; dueMs: number }[] = []
  #inFlightBytes = 0
  #wake: () => void = () => {}
  /** Since the faults in force were set. */
  #passed = 0
  #state: 'open' | 'swallowing' | 'over' = 'open'
  readonly #struck = new Set<FaultKind>()

  constructor(options: LaneOptions) {
    this.#options = options
    this.#faults = options.faults
    this.#random = options.random
    const { source } = options
    source.on('data', (bytes: Buffer) => this.#take(bytes))
    source.once('end', () => this.#take(null))
    void this.#run()
  }

  /** From the next byte on; ends a blackhole. */
  use(faults: Faults): void {
    this.#faults = faults
    this.#passed = 0
    this.#struck.clear()
    if (this.#state === 'swallowing') this.#state = 'open'
    this.#wake()
  }

  /** Drops what is in flight. */
  stop(): void {
    this.#state = 'over'
    this.#wake()
  }

  /** The sink sees nothing of this direction, for now or for good. */
  get silent(): boolean {
    return this.#state === 'swallowing' || this.#holding
  }

  /** For a source that closed without an end: the sink gets one after what is held. */
  endAfterHeld(): void {
    if (this.#holding && this.#inFlight.at(-1)?.bytes !== null) this.#take(null)
  }

  get #holding(): boolean {
    const { hold } = this.#faults
    return this.#state === 'open' && hold !== undefined && concerns(hold.directions, this.#options.direction)
  }

  #take(bytes: Buffer | null): void {
    if (this.#state === 'over') return
    const { latencyMs = 0, jitterMs = 0 } = this.#faults
    const delayMs = latencyMs + (jitterMs === 0 ? 0 : this.#random() * jitterMs)
    if (delayMs > 0) this.#strike('latency')
    this.#inFlight.push({ bytes, dueMs: this.#options.now() + delayMs })
    this.#inFlightBytes += bytes?.length ?? 0
    if (this.#inFlightBytes > MAX_IN_FLIGHT_BYTES) this.#options.source.pause()
    this.#wake()
  }

  async #run(): Promise<void> {
    for (;;) {
      const next = this.#inFlight[0]
      if (this.#state === 'over') break
      if (next !== undefined && this.#holding) this.#strike('hold')
      if (next === undefined || this.#holding) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      const waitMs = next.dueMs - this.#options.now()
      // A delay alone must not keep the process alive.
      if (waitMs > 0) await sleep(waitMs, undefined, { ref: false })
      this.#inFlight.shift()
      if (next.bytes === null) {
        if (this.#open()) this.#options.sink.end()
        break
      }
      await this.#pass(next.bytes)
      this.#inFlightBytes -= next.bytes.length
      if (this.#inFlightBytes <= MAX_IN_FLIGHT_BYTES) this.#options.source.resume()
    }
    this.#options.onDone()
  }

  /** Piece by piece, since the faults may change within the bytes. */
  async #pass(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && this.#state !== 'over'; ) {
      const obstacle = this.#obstacle()
      const { bytesPerSecond } = this.#faults
      const atOnce =
        bytesPerSecond === undefined ? bytes.length : Math.ceil(bytesPerSecond / PIECES_PER_SECOND)
      const room = obstacle === undefined ? atOnce : Math.min(atOnce, obstacle.afterBytes - this.#passed)
      if (this.#state === 'swallowing' || (obstacle !== undefined && room <= 0)) {
        if (this.#state === 'open') this.#meet(obstacle)
        this.#options.onBytes(0, bytes.length - at)
        return
      }
      const piece = bytes.subarray(at, at + room)
      at += piece.length
      await this.#write(piece)
      if (bytesPerSecond !== undefined) {
        this.#strike('rate')
        await sleep((piece.length / bytesPerSecond) * 1_000, undefined, { ref: false })
      }
    }
  }

  /** The next fault of this lane. */
  #obstacle(): { kind: 'cut' | 'blackhole' | 'half-close'; afterBytes: number } | undefined {
    const { cut, blackhole, halfClose } = this.#faults
    const { direction } = this.#options
    const found: { kind: 'cut' | 'blackhole' | 'half-close'; afterBytes: number }[] = []
    if (cut !== undefined && concerns(cut.directions, direction))
      found.push({ kind: 'cut', afterBytes: cut.afterBytes })
    if (blackhole !== undefined && concerns(blackhole.directions, direction))
      found.push({ kind: 'blackhole', afterBytes: blackhole.afterBytes })
    if (halfClose !== undefined && halfClose.direction === direction)
      found.push({ kind: 'half-close', afterBytes: halfClose.afterBytes })
    return found.sort((one, other) => one.afterBytes - other.afterBytes)[0]
  }

  #meet(obstacle: { kind: 'cut' | 'blackhole' | 'half-close' } | undefined): void {
    if (obstacle?.kind === 'cut') {
      const reset = this.#faults.cut?.reset === true
      this.#strike(reset ? 'reset' : 'cut')
      this.#state = 'over'
      this.#options.cut(reset)
      return
    }
    this.#state = 'swallowing'
    if (obstacle?.kind === 'half-close') this.#options.sink.end()
    this.#strike(obstacle?.kind ?? 'blackhole')
  }

  /** Whether the end of the stream may pass; a blackhole from the first byte drops it. */
  #open(): boolean {
    const obstacle = this.#obstacle()
    if (obstacle?.kind === 'blackhole' && obstacle.afterBytes <= this.#passed && this.#state === 'open')
      this.#meet(obstacle)
    return this.#state === 'open'
  }

  /** Resolves when the kernel has them, so that no later RST overtakes them. */
  async #write(piece: Buffer): Promise<void> {
    const { sink, onBytes } = this.#options
    const failed = await new Promise<boolean>((resolve) => {
      sink.write(piece, (error) => resolve(error !== null && error !== undefined))
    })
    if (failed) return
    this.#passed += piece.length
    onBytes(piece.length, 0)
  }

  #strike(kind: FaultKind): void {
    if (this.#struck.has(kind)) return
    this.#struck.add(kind)
    this.#options.onStruck(kind, this.#passed)
  }
}
