import type { Contestant, Quota } from './contestants.ts'
import { load } from './load.ts'
import { newKeys, type OrderIntent, orderRequest } from './requests.ts'

/** What a round sends. */
export type Supply = () => Buffer | undefined

export interface Path {
  name: string
  what: string
  quota: Quota
  connections?: number
  /** The status of every answer. */
  status: number
  /** Once, before the first round; what it sends is answered 201. Then, before each round, the requests of about `count`. */
  open: (port: number) => Promise<(count: number) => Supply>
}

const AMOUNT = 500
/** Of which replay-many takes one at random. */
const KEYS = 10_000

export const PATHS: readonly Path[] = [
  {
    name: 'replay-one',
    what: 'the same order again and again: its stored answer',
    ...{ quota: 'ample', status: 201 },
    async open(port) {
      const [order] = orders(1)
      await create(port, [order])
      return () => always(orderRequest(order))
    },
  },
  {
    name: 'replay-many',
    what: `one of ${KEYS} orders at random again: its stored answer`,
    ...{ quota: 'ample', status: 201 },
    async open(port) {
      const known = orders(KEYS)
      await create(port, known)
      return () => {
        const requests = known.map((order) => orderRequest(order))
        return () => requests[Math.floor(Math.random() * requests.length)]
      }
    },
  },
  {
    name: 'fresh',
    what: 'new orders',
    ...{ quota: 'ample', status: 201 },
    open: async () => fresh,
  },
  {
    name: 'conflict',
    what: 'a key that was used for another order',
    ...{ quota: 'ample', status: 409 },
    async open(port) {
      const [order] = orders(1)
      await create(port, [order])
      return () => always(orderRequest({ ...order, amount: AMOUNT + 1 }))
    },
  },
  {
    name: '401',
    what: 'a signature with another secret',
    ...{ quota: 'ample', status: 401 },
    open: async () => () => always(orderRequest(orders(1)[0], 'another secret')),
  },
  {
    name: '429',
    what: 'a client over its limit',
    ...{ quota: 'spent', status: 429 },
    async open(port) {
      const [order] = orders(1)
      await create(port, [order])
      return () => always(orderRequest(order))
    },
  },
  {
    name: 'fresh-single',
    what: 'new orders over a single connection',
    ...{ quota: 'ample', status: 201, connections: 1 },
    open: async () => fresh,
  },
]

/** The status to expect on a path from this contestant. */
export function statusOf(path: Path, contestant: Contestant): number {
  return contestant.kind === 'floor' ? 201 : path.status
}

function orders(count: 1): [OrderIntent]
function orders(count: number): OrderIntent[]
function orders(count: number): OrderIntent[] {
  return newKeys(count).map((key) => ({ key, amount: AMOUNT }))
}

function fresh(count: number): Supply {
  const requests = newKeys(count).map((key, n) => orderRequest({ key, amount: AMOUNT + n }))
  let sent = 0
  return () => requests[sent++]
}

function always(request: Buffer): Supply {
  return () => request
}

/** Creates these orders, eight at a time. */
async function create(port: number, wanted: readonly OrderIntent[]): Promise<void> {
  const requests = wanted.map((order) => orderRequest(order))
  let sent = 0
  const connections = Math.min(8, requests.length)
  const next = () => requests[sent++]
  const { unexpected } = await load({ port, connections, durationMs: 60_000, next, expected: 201 })
  if (unexpected.size > 0) throw new Error(`orders could not be created: ${JSON.stringify([...unexpected])}`)
}
