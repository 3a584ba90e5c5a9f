import type { Client } from '../../client.ts'
import type { Plan } from './plan.ts'
import type { Api } from './settings.ts'

interface Effort {
  key: string
  deadlineMs: number
  signal?: AbortSignal
}

interface Answered {
  replayed: boolean
  rateLimit: { limit: number; remaining: number } | undefined
}

const DECLINED = 402

/** Sends the request of a plan until it gets a response. Rejects with ProblemError. */
export async function sendPlan(client: Client, api: Api, plan: Plan, effort: Effort): Promise<Answered> {
  const { user_id, item, amount } = plan.input
  switch (api) {
    case 'orders':
      return await client.orders.create(plan.input, effort)
    case 'payments': {
      const input = { amount, currency: 'EUR', description: item, payment_method: 'pm_simulated_4242' }
      return await client.payments.create(input, effort)
    }
    case 'pay': {
      const body = JSON.stringify({ user_id, amount, idempotency_key: plan.key })
      return await client.request('pay', { ...effort, method: 'POST', body, outcomes: [DECLINED] })
    }
  }
}
