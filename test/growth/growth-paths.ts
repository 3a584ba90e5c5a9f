import { randomInt, randomUUID } from 'node:crypto'
import { sign } from '../../internal/signature/schemes.ts'
import { CLIENTS, clientOf, type FilledOrder, filledOrder } from './filled-order.ts'

export const SECRET = 'a-secret-that-all-partners-of-this-measurement-share'

/** A service, and what there is behind it. */
export interface Side {
  name: string
  port: number
  pid: number
  /** An order whose key is live, at random. */
  live: () => FilledOrder
  /** An order at random, by its client and id. */
  placed: () => { client: string; id: string }
}

export interface GrowthPath {
  name: string
  expected: number
  /** The whole bytes of a request. */
  request: (side: Side) => Buffer
}

export const GROWTH_PATHS: readonly GrowthPath[] = [
  {
    name: 'fresh',
    expected: 201,
    request() {
      const { client, body } = filledOrder(randomInt(1_000_000))
      return signed('POST', '/orders', client, randomUUID(), body)
    },
  },
  {
    name: 'replay',
    expected: 201,
    request(side) {
      const { client, key, body } = side.live()
      return signed('POST', '/orders', client, key, body)
    },
  },
  {
    name: 'lookup',
    expected: 200,
    request(side) {
      const { client, id } = side.placed()
      return signed('GET', `/orders/${id}`, client)
    },
  },
  {
    name: 'list',
    expected: 200,
    request: () => signed('GET', '/orders?limit=20', clientOf(randomInt(CLIENTS))),
  },
]

function signed(method: string, target: string, client: string, key = '', body = ''): Buffer {
  const timestamp = Math.floor(Date.now() / 1_000)
  const signature = sign({ scheme: 'v1', secret: SECRET, method, target, client, key, body, timestamp })
  const head = [`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1', `X-Client-Id: ${client}`]
  if (key !== '') {
    head.push('Content-Type: application/json', `Content-Length: ${body.length}`, `Idempotency-Key: ${key}`)
  }
  return Buffer.from(`${head.join('\r\n')}\r\nX-Signature: ${signature}\r\n\r\n${body}`)
}
