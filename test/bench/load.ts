import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { AnswerReader } from './answer-reader.ts'

export interface LoadOptions {
  port: number
  connections: number
  durationMs: number
  /** The whole bytes of the next request; undefined: there are no more, which ends the load. */
  next: () => Buffer | undefined
  expected: number
}

export interface LoadResult {
  /** Those that came within the duration, per second. */
  rate: number
  /** All, also those that came later; for what a request costs. */
  answers: number
  /** Answers by status, other than what was expected. */
  unexpected: Map<number, number>
  /** In ms, of the answers within the duration, sorted. */
  latencies: Float64Array
}

/** Room for what the kernel hands over at once. */
const READ_BYTES = 65_536

/**
 * The cheapest client there is: ready-made bytes over raw sockets, and each connection sends its next request when an
 * answer has come whole. Connecting is not counted. Rejects when a connection is lost.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { port, connections, durationMs, next, expected } = options
  const latencies: number[] = []
  const unexpected = new Map<number, number>()
  let answers = 0
  let startedMs = 0
  let lastMs = 0
  let over = false
  const lines = await Promise.all(
    Array.from({ length: connections }, () => open(port, (status, sentMs) => onAnswer(status, sentMs))),
  )

  function onAnswer(status: number, sentMs: number): boolean {
    const nowMs = performance.now()
    answers++
    if (status !== expected) unexpected.set(status, (unexpected.get(status) ?? 0) + 1)
    if (nowMs - startedMs > durationMs) over = true
    if (over) return false
    latencies.push(nowMs - sentMs)
    lastMs = nowMs
    return true
  }

  startedMs = performance.now()
  await Promise.all(
    lines.map(({ run }) =>
      run(() => {
        const request = over ? undefined : next()
        // The load of connections that go on without the others would be another one.
        if (request === undefined) over = true
        return request
      }),
    ),
  )
  const seconds = (lastMs - startedMs) / 1_000
  return {
    rate: latencies.length / seconds,
    answers,
    unexpected,
    latencies: Float64Array.from(latencies).sort(),
  }
}

interface Line {
  /** Sends until there is nothing more to send; then closes. */
  run: (next: () => Buffer | undefined) => Promise<void>
}

async function open(port: number, onAnswer: (status: number, sentMs: number) => boolean): Promise<Line> {
  let sentMs = 0
  let following = (): Buffer | undefined => undefined
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  const reader = new AnswerReader((status) => {
    if (onAnswer(status, sentMs)) send()
    else socket.end()
  })
  const socket: Socket = connect({
    ...{ port, host: '127.0.0.1', noDelay: true },
    onread: {
      buffer,
      callback(length) {
        try {
          reader.take(buffer.subarray(0, length))
        } catch (error) {
          socket.destroy(error instanceof Error ? error : new Error(String(error)))
        }
        return true
      },
    },
  })
  function send(): void {
    const request = following()
    if (request === undefined) {
      socket.end()
      return
    }
    sentMs = performance.now()
    socket.write(request)
  }
  await once(socket, 'connect')
  return {
    async run(next) {
      following = next
      const closed = once(socket, 'close')
      send()
      await closed
      if (!socket.writableEnded) throw new Error('the contestant closed a connection')
    },
  }
}
