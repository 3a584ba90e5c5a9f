import { type Client, type Order, ProblemError } from '../../client.ts'
import { comparePayments } from './compare-payments.ts'
import type { Plan } from './plan.ts'
import { sendPlan } from './send-plan.ts'
import { GRACE_MS, openClient, type Run } from './simulation.ts'

/** The result of the check, besides the violations in the ledger. */
export interface Checked {
  /** Keys sent in the run. */
  keys: number
  /** Of these: sent again and got a response. */
  resent: number
  /** Orders of these keys in the list of the service, or payments by their transaction ids. */
  orders: number
  /** What could not be checked. */
  open: string[]
}

const LANES = 4
const PAGE = 100
/** The largest clock skew between nodes in `created_at`. */
const SKEW_MS = 300_000

/** Sends every key once more and compares the responses byte for byte, then compares the list with what was sent. */
export async function check(run: Run): Promise<Checked> {
  run.phase = 'checking'
  const endMs = run.now() + run.settings.durationMs + GRACE_MS
  const plans = run.ledger.plans
  const checked: Checked = { keys: plans.length, resent: 0, orders: 0, open: [] }
  const queue = plans.values()
  const lane = async (number: number) => {
    const client = checkingClient(run, number)
    for (const plan of queue) {
      const refused = await resend(run, client, plan, endMs)
      if (refused === undefined) checked.resent++
      else checked.open.push(`${plan.key}: ${refused}`)
      run.checked++
    }
  }
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
  try {
    const { client } = checkingClient(run, LANES)
    checked.orders =
      run.settings.api === 'orders'
        ? await compareList(run, client, endMs)
        : await comparePayments(run, client, endMs)
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    checked.open.push(
      `${run.settings.api === 'orders' ? 'the list of orders' : 'the payments'}: ${error.message}`,
    )
  }
  return checked
}

interface CheckingClient {
  client: Client
  /** The key of the next response. */
  expect: (key: string) => void
}

function checkingClient(run: Run, number: number): CheckingClient {
  let key: string | undefined
  const client = openClient(run, `check/${number}`, {
    nextLoss: () => undefined,
    onAttempt: () => {},
    onFinal: (response) => key !== undefined && run.ledger.answered(key, response),
    now: run.now,
  })
  return {
    client,
    expect(next) {
      key = next
    },
  }
}

/** Returns why there was no response. */
async function resend(
  run: Run,
  { client, expect }: CheckingClient,
  plan: Plan,
  endMs: number,
): Promise<string | undefined> {
  expect(plan.key)
  const before = run.ledger.first(plan.key)
  try {
    const deadlineMs = Math.max(1, endMs - run.now())
    const { replayed } = await sendPlan(client, run.settings.api, plan, { key: plan.key, deadlineMs })
    if (!replayed && before !== undefined) {
      const detail = 'sent again at the end, its response was no replay'
      run.ledger.violated({ key: plan.key, what: 'executed twice', detail })
    }
    return undefined
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    if (before !== undefined && error.gaveUp === 'not retryable') {
      const detail = `it got ${before.status}, and then ${error.status} ${error.code}`
      run.ledger.violated({ key: plan.key, what: 'response differed', detail })
    }
    return error.message
  }
}

/** Returns the number of orders of this run. */
async function compareList(run: Run, client: Client, endMs: number): Promise<number> {
  const plans = new Map(run.ledger.plans.map((plan) => [plan.key, plan]))
  const found = new Map<string, Order[]>()
  const missing = new Set([...plans.keys()].filter((key) => run.ledger.first(key) !== undefined))
  const oldestMs = Math.min(...[...missing].map((key) => createdMs(run, key)))
  // Orders come newest first, and those of this run are not older than the run.
  const sinceMs = oldestMs - run.now() - SKEW_MS
  const deadlineMs = () => Math.max(1, endMs - run.now())
  let cursor: string | undefined
  for (;;) {
    const page = await client.orders.page({ limit: PAGE, cursor, deadlineMs: deadlineMs() })
    for (const order of page.orders) {
      if (!plans.has(order.idempotency_key)) continue
      missing.delete(order.idempotency_key)
      found.set(order.idempotency_key, [...(found.get(order.idempotency_key) ?? []), order])
    }
    const lastMs = Date.parse(page.orders.at(-1)?.created_at ?? '')
    if (page.nextCursor === null || (missing.size === 0 && lastMs < sinceMs)) break
    cursor = page.nextCursor
  }
  for (const key of missing) {
    run.ledger.violated({
      key,
      what: 'order missing',
      detail: 'it got a response, and is not in the list of orders',
    })
  }
  for (const [key, orders] of found) compareOrders(run, plans.get(key), orders)
  return [...found.values()].reduce((sum, orders) => sum + orders.length, 0)
}

function compareOrders(run: Run, plan: Plan | undefined, orders: Order[]): void {
  if (plan === undefined) return
  const { key, input } = plan
  if (orders.length > 1) {
    const ids = orders.map(({ id }) => id).join(', ')
    run.ledger.violated({ key, what: 'order made twice', detail: `${orders.length} orders: ${ids}` })
  }
  for (const { user_id, item, amount } of orders) {
    if (user_id === input.user_id && item === input.item && amount === Number(input.amount)) continue
    const detail = `sent ${JSON.stringify(input)}, in the list ${JSON.stringify({ user_id, item, amount })}`
    run.ledger.violated({ key, what: 'order differs', detail })
  }
}

/** By the clock of the service. */
function createdMs(run: Run, key: string): number {
  const body = run.ledger.first(key)?.body
  const text = body === undefined ? '' : new TextDecoder().decode(body)
  const ms = Date.parse(/"created_at"\s*:\s*"([^"]+)"/.exec(text)?.[1] ?? '')
  return Number.isNaN(ms) ? Number.NEGATIVE_INFINITY : ms
}
