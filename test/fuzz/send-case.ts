import { connect } from 'node:net'
import { errorMessage } from '../../internal/core/error-message.ts'
import { parseResponses, type RawResponse } from '../support/raw-http.ts'
import type { FuzzCase } from './fuzz-case.ts'

export interface Sent {
  responses: RawResponse[]
  /** What is wrong with the bytes that came back; undefined: nothing. */
  fault?: string
  /** Who ended the connection. */
  ended: 'service' | 'sender'
  /** The sender had said by then that nothing more would come. */
  hungUp: boolean
  ms: number
}

/** Nothing comes that long: the request is not whole, and its sender says that it will never be. */
const QUIET_MS = 300
/** For responses beyond those that were asked for. */
const EXTRA_MS = 8
/** Longer than any deadline of the service for what arrives in time; the machine may be busy. */
const DEADLINE_MS = 25_000

/** Sends a case over a connection of its own, and reads what comes back until it is done. */
export function sendCase(port: number, { bytes, splits, requests, head, whole }: FuzzCase): Promise<Sent> {
  const startedMs = performance.now()
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let received = Buffer.alloc(0)
    let hungUp = false
    let timer = setTimeout(hangUp, whole ? DEADLINE_MS : QUIET_MS)
    const deadline = setTimeout(
      () => end('sender', `nothing came to an end within ${DEADLINE_MS} ms`),
      DEADLINE_MS,
    )

    function hangUp() {
      hungUp = true
      socket.end()
    }
    function end(ended: Sent['ended'], late?: string) {
      clearTimeout(timer)
      clearTimeout(deadline)
      socket.removeAllListeners('close').destroy()
      const ms = performance.now() - startedMs
      const { responses, fault } = read(received, ended === 'service', head)
      const wrong = fault ?? late
      resolve({ responses, ended, hungUp, ms, ...(wrong === undefined ? {} : { fault: wrong }) })
    }
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const { responses, fault, rest } = read(received, false, head)
      clearTimeout(timer)
      if (fault !== undefined && rest === undefined) return end('sender')
      const isDone = responses.length >= requests && rest === 0
      timer = setTimeout(isDone ? () => end('sender') : hangUp, isDone ? EXTRA_MS : QUIET_MS)
    })
    // Refused while still sending: what got a response before the reset counts.
    socket.on('error', () => {})
    socket.on('close', () => end('service'))
    write(0)

    function write(piece: number): void {
      const from = splits[piece - 1] ?? 0
      const to = splits[piece] ?? bytes.length
      socket.write(bytes.subarray(from, to))
      if (piece < splits.length) setTimeout(write, 1, piece + 1)
    }
  })
}

function read(received: Buffer, closed: boolean, head: boolean) {
  const found = readAs(received, closed, head)
  // What is refused before its method is read has a response with a body, and the end of the connection.
  return head && closed && found.rest !== 0 ? readAs(received, closed, false) : found
}

function readAs(received: Buffer, closed: boolean, head: boolean) {
  try {
    const { responses, rest } = parseResponses(received, closed, head)
    return { responses, rest, fault: closed && rest > 0 ? 'a response is cut off' : undefined }
  } catch (error) {
    return {
      responses: [],
      rest: undefined,
      fault: `no HTTP/1.1: ${errorMessage(error)}`,
    }
  }
}
