import { type Client, ProblemError } from '../../client.ts'
import type { Plan } from './plan.ts'
import type { Run } from './simulation.ts'

/**
 * Compares each payment, by its transaction id, with what was sent; `/pay` has no GET, so its responses are compared.
 * Returns the number of payments. Rejects with ProblemError.
 */
export async function comparePayments(run: Run, client: Client, endMs: number): Promise<number> {
  const keys = new Map<string, string>()
  for (const plan of run.ledger.plans) {
    const answered = transactionOf(run, plan)
    if (answered === undefined) continue
    const other = keys.get(answered.id)
    if (other !== undefined) {
      run.ledger.violated({
        key: plan.key,
        what: 'payment shared',
        detail: `${answered.id} is that of ${other}`,
      })
    }
    keys.set(answered.id, plan.key)
    const amount =
      run.settings.api === 'payments'
        ? await amountAt(run, client, plan, answered.id, endMs)
        : answered.amount
    if (amount !== undefined && amount !== Number(plan.input.amount)) {
      const detail = `sent ${plan.input.amount}, paid ${amount}`
      run.ledger.violated({ key: plan.key, what: 'payment differs', detail })
    }
  }
  return keys.size
}

async function amountAt(run: Run, client: Client, plan: Plan, id: string, endMs: number) {
  try {
    const deadlineMs = Math.max(1, endMs - run.now())
    return (await client.payments.get(id, { deadlineMs })).payment.amount
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'not_found') throw error
    run.ledger.violated({
      key: plan.key,
      what: 'payment missing',
      detail: `it got ${id}, which is not there`,
    })
    return undefined
  }
}

function transactionOf(run: Run, plan: Plan): { id: string; amount: number } | undefined {
  const body = run.ledger.first(plan.key)?.body
  if (body === undefined) return undefined
  const text = new TextDecoder().decode(body)
  const id = /"transaction_id"\s*:\s*"([^"]+)"/.exec(text)?.[1]
  const amount = /"amount"\s*:\s*([\d.]+)/.exec(text)?.[1]
  if (id !== undefined) return { id, amount: Number(amount) }
  run.ledger.violated({ key: plan.key, what: 'payment missing', detail: 'its response names no transaction' })
  return undefined
}
