import type { OrderInput } from '../../client.ts'
import { seeded } from './seeded.ts'
import type { Api, Settings } from './settings.ts'

/** How the response of an attempt is lost: dropped unread, or given up on so long after sending. */
export type Loss = { how: 'drop' } | { how: 'abort'; afterMs: number }

/** One copy of a request. */
export interface Copy {
  /** After the first copy. */
  delayMs: number
  /** By attempt, beginning with the first; undefined, and all after the last: not lost. */
  losses: readonly (Loss | undefined)[]
}

/** One request with its key, and all that is meant to happen to it. */
export interface Plan {
  /** A, B, C ... */
  client: string
  /** From 1. */
  number: number
  key: string
  input: OrderInput
  /** One, or two of the same. */
  copies: readonly Copy[]
}

/** So many losses in a row are enough; what comes after them gets through. */
const MAX_LOSSES = 8
/** Hardly time for the request to leave, to more than any response takes on one machine. */
const MIN_ABORT_MS = 2
const MAX_ABORT_MS = 30
/** Short enough to meet the first copy in flight, now and then. */
const MAX_COPY_DELAY_MS = 20
const ITEMS = ['book', 'lamp', 'bücher ✓', 'tea "green"', '本', 'map']

/** The requests of a client. They depend on seed, client and number alone: another --clients adds, and changes none. */
export function planOf(
  settings: Pick<Settings, 'seed' | 'duplicates' | 'failure'> & Partial<Pick<Settings, 'api'>>,
  client: string,
  number: number,
): Plan {
  const { seed, duplicates, failure, api = 'orders' } = settings
  const random = seeded(`${seed}/${client}/${number}`)
  const input: OrderInput = {
    user_id: `client-${client}`,
    item: ITEMS[Math.floor(random() * ITEMS.length)] ?? 'book',
    amount: (1 + Math.floor(random() * 99_999)) / 100,
  }
  const twice = random() < duplicates
  const delays = [0, Math.floor(random() * MAX_COPY_DELAY_MS)]
  const copies = delays.map((delayMs) => ({
    delayMs,
    losses: Array.from({ length: MAX_LOSSES }, () => lossOf(random, failure)),
  }))
  return {
    client,
    number,
    key: keyOf(api, `sim-${seed}-${client}-${number}`),
    input,
    copies: twice ? copies : copies.slice(0, 1),
  }
}

/** Keys of payments have 16 characters or more, and no dots. */
function keyOf(api: Api, name: string): string {
  return api === 'orders' ? name : `payment-${name.replaceAll('.', '_')}`
}

/** Always draws three numbers, so that --failure changes nothing but what is lost. */
function lossOf(random: () => number, failure: number): Loss | undefined {
  const [lost, how, when] = [random(), random(), random()]
  if (lost >= failure) return undefined
  if (how < 0.5) return { how: 'drop' }
  return { how: 'abort', afterMs: MIN_ABORT_MS + Math.floor(when * (MAX_ABORT_MS - MIN_ABORT_MS)) }
}

/** 0 is A, 25 is Z, 26 is AA. */
export function clientName(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : clientName(Math.floor(index / 26) - 1) + letter
}
