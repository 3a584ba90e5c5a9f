import type { Sabotage } from './sabotage.ts'

const PAY_ONCE = 'internal/payments/pay-once.ts'
const payments = { mode: 'payments', store: 'redis' } as const

/** Bugs that show where a gateway is charged. */
export const PAYMENT_SABOTAGES: Record<string, Sabotage> = {
  'unknown-reported-as-failed': {
    ...payments,
    what: 'a charge without a response is reported as not made',
    patches: [
      {
        file: PAY_ONCE,
        find: "trouble(work, 'a charge got no response', result.cause)\n        return await findOut(work, result.outcome)",
        replace: "return await abandon(work, { outcome: 'refused', status: 500 })",
      },
    ],
    faults: ['gateway-reset', 'gateway-stall'],
    invariant: 6,
  },
  'charge-sent-again': {
    ...payments,
    what: 'a charge is sent again after a reset',
    patches: [
      {
        file: 'internal/payments/guarded-gateway.ts',
        find: "return outcomeOf(result) === 'unsent'",
        replace: "return ['unsent', 'error'].some((one) => one === outcomeOf(result))",
      },
    ],
    faults: ['gateway-reset', 'gateway-truncate'],
    invariant: 1,
  },
  'charged-without-asking': {
    ...payments,
    what: 'a takeover charges without asking the gateway',
    patches: [
      {
        file: PAY_ONCE,
        find: "async function next(work: Work, begun: BeginResult & { outcome: 'taken_over' }): Promise<Paid> {\n    const found = await ask(work.payment)",
        replace:
          "async function next(work: Work, begun: BeginResult & { outcome: 'taken_over' }): Promise<Paid> {\n    const found = { outcome: 'none' } as Awaited<ReturnType<typeof ask>>",
      },
      { file: PAY_ONCE, find: 'if (begun.waitMs > 0) return', replace: 'if (begun.waitMs < 0) return' },
    ],
    faults: ['gateway-late', 'gateway-stall', 'kill'],
    invariant: 1,
  },
  'audit-outside-the-transaction': {
    ...payments,
    what: 'the entry about a payment is written after it',
    patches: [
      {
        file: 'sql/functions/payment_steps.sql',
        find: "  IF oncekey_payment_audit(p, p_event, p_request_id, json_build_object(\n      'status', p_state, 'charge_id', p_charge_id, 'by', p_by, 'reason', p_reason)) THEN\n",
        replace: '  IF FOUND THEN\n',
      },
      {
        file: 'internal/payments/payment-store.ts',
        find: 'return resultsByNumber(responses, items.length, (row) => row.done === true)',
        replace:
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
          'for (const { ref, settlement } of items) await database.run((sql) => sql`SELECT oncekey_audit(${ref.client}, ${settlement.event}, ${JSON.stringify({ transaction_id: ref.id })})`)\n  return resultsByNumber(responses, items.length, (row) => row.done === true)',
      },
    ],
    faults: ['postgres-terminate', 'postgres-reply-lost', 'kill-after-commit'],
    invariant: 10,
  },
}
