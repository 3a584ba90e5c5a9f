import type { OrderInput } from '../../client.ts'
import { seeded } from './seeded.ts'
import type { Api, Settings } from './settings.ts'

/** How the response of an attempt is lost: dropped unread, or aborted so long after sending. */
export type Loss = { how: 'drop' } | { how: 'abort'; afterMs: number }

/** One copy of a request. */
export interface Copy {
  /** After the first copy. */
  delayMs: number
  /** By attempt; undefined or missing: not lost. */
  losses: readonly (Loss | undefined)[]
}

/** One request with its key and its losses. */
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

/** After so many losses an attempt gets through. */
const MAX_LOSSES = 8
/** From hardly enough to send the request, to longer than a response takes on one machine. */
const MIN_ABORT_MS = 2
const MAX_ABORT_MS = 30
/** Short enough to meet the first copy in flight sometimes. */
const MAX_COPY_DELAY_MS = 20
const ITEMS = ['book', 'lamp', 'bücher ✓', 'tea "green"', '本', 'map']

/** A request of a client. It depends on seed, client and number only, not on --clients. */
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

/** Keys of payments have at least 16 characters and no dots. */
function keyOf(api: Api, name: string): string {
  return api === 'orders' ? name : `payment-${name.replaceAll('.', '_')}`
}

/** Always draws three numbers, so that --failure changes only the losses. */
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
