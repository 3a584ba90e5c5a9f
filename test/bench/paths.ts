import type { Contest, Contestant, Quota } from './contestants.ts'
import { load } from './load.ts'
import {
  KEYLESS_REQUEST,
  keyedRequest,
  newKeys,
  type OrderIntent,
  orderRequest,
  paymentRequest,
} from './requests.ts'

/** The next request of a round; undefined: there are no more. */
export type Supply = () => Buffer | undefined

export interface Path {
  name: string
  what: string
  contest: Contest
  quota: Quota
  /** Of every response; the floor knows only 201. */
  status: number
  connections?: number
  /** Open loop, at this share of the rate that the contestant has reached in a closed one. */
  shareOfPeak?: number
  /** Only when it is asked for by name. */
  optional?: boolean
  /**
   * Once for each contestant: creates what is there before, of `keys` keys where it is many. Then, before each round,
   * its requests: as many as `count` where they are all different.
   */
  open: (port: number, keys: number) => Promise<(count: number) => Supply>
}

const AMOUNT = 500
const ORDER = { contest: 'orders', quota: 'ample', status: 201 } as const
const FORWARDED = { contest: 'forwarding', quota: 'ample', status: 200 } as const

export const PATHS: readonly Path[] = [
  {
    ...ORDER,
    name: 'replay-one',
    what: 'the same order again and again',
    async open(port) {
      const order = await oneOrder(port)
      return () => always(orderRequest(order))
    },
  },
  {
    ...ORDER,
    name: 'replay-many',
    what: 'one of 10,000 orders again, at random',
    async open(port, keys) {
      const known = orders(keys)
      await create(
        port,
        known.map((order) => orderRequest(order)),
      )
      return () => {
        const requests = known.map((order) => orderRequest(order))
        return () => requests[Math.floor(Math.random() * requests.length)]
      }
    },
  },
  { ...ORDER, name: 'fresh', what: 'new orders', open: async () => freshOrders },
  {
    ...ORDER,
    name: 'fresh-70',
    what: 'new orders at 70 % of the highest rate, open loop',
    shareOfPeak: 0.7,
    open: async () => freshOrders,
  },
  {
    ...ORDER,
    name: 'fresh-single',
    what: 'new orders over a single connection',
    connections: 1,
    open: async () => freshOrders,
  },
  {
    ...ORDER,
    name: 'conflict',
    what: 'a key that was used for another order',
    status: 409,
    async open(port) {
      const order = await oneOrder(port)
      return () => always(orderRequest({ ...order, amount: AMOUNT + 1 }))
    },
  },
  {
    ...ORDER,
    name: '401',
    what: 'signed with another secret',
    status: 401,
    open: async () => wronglySigned,
  },
  {
    ...ORDER,
    name: '429',
    what: 'a client over its limit',
    quota: 'spent',
    status: 429,
    async open(port) {
      const order = await oneOrder(port)
      return () => always(orderRequest(order))
    },
  },
  {
    ...ORDER,
    contest: 'payments',
    name: 'payment',
    what: 'new payments',
    status: 200,
    optional: true,
    open: async () => (count) => each(newKeys(count).map(paymentRequest)),
  },
  {
    ...FORWARDED,
    name: 'sidecar',
    what: 'forwarded without a key',
    open: async () => () => always(KEYLESS_REQUEST),
  },
  {
    ...FORWARDED,
    name: 'sidecar-keyed',
    what: 'new keys: the sidecar forwards each once, the others do not look',
    open: async () => freshKeyed,
  },
  {
    ...FORWARDED,
    name: 'sidecar-replay',
    what: 'one key: the sidecar replays, the others forward',
    async open(port) {
      const request = keyedRequest(newKeys(1)[0])
      await create(port, [request], 200)
      return () => always(request)
    },
  },
  {
    ...ORDER,
    contest: 'workers',
    name: 'workers',
    what: 'new orders, one process and one for each core',
    optional: true,
    open: async () => freshOrders,
  },
  {
    ...ORDER,
    contest: 'workers',
    name: 'workers-401',
    what: 'the same, signed with another secret',
    status: 401,
    optional: true,
    open: async () => wronglySigned,
  },
]

/** What this contestant responds on the path. */
export function statusOf(path: Path, { kind, contest }: Contestant): number {
  return kind === 'floor' && contest === 'orders' ? 201 : path.status
}

function orders(count: 1): [OrderIntent]
function orders(count: number): OrderIntent[]
function orders(count: number): OrderIntent[] {
  return newKeys(count).map((key) => ({ key, amount: AMOUNT }))
}

async function oneOrder(port: number): Promise<OrderIntent> {
  const [order] = orders(1)
  await create(port, [orderRequest(order)])
  return order
}

function freshOrders(count: number): Supply {
  return each(newKeys(count).map((key, n) => orderRequest({ key, amount: AMOUNT + n })))
}

function wronglySigned(): Supply {
  return always(orderRequest(orders(1)[0], 'another secret'))
}

function freshKeyed(count: number): Supply {
  return each(newKeys(count).map(keyedRequest))
}

function each(requests: readonly Buffer[]): Supply {
  let sent = 0
  return () => requests[sent++]
}

function always(request: Buffer): Supply {
  return () => request
}

/** Sends these, a few at a time; throws Error where the response has another status. */
async function create(port: number, requests: readonly Buffer[], expected = 201): Promise<void> {
  const connections = Math.min(16, requests.length)
  const { unexpected } = await load({
    port,
    connections,
    durationMs: 120_000,
    next: each(requests),
    expected,
  })
  if (unexpected.size > 0) throw new Error(`a request that prepares the path got ${[...unexpected.keys()]}`)
}
