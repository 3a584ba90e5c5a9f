import type { FaultKind, Mode, Store } from './fault-kinds.ts'
import type { Invariant } from './invariants.ts'

/** A change of one file of the product; `find` is there exactly once. */
export interface Patch {
  file: string
  find: string
  replace: string
}

/** A bug to be planted in a copy of the product, and where it shows. */
export interface Sabotage {
  what: string
  patches: readonly Patch[]
  mode: Mode
  store: Store
  faults: readonly FaultKind[]
  /** The one that must be violated; others may be, too. */
  invariant: Invariant
}

const ORDER_STORE = 'internal/orders/order-store.ts'
const CLAIM = 'internal/idempotency/claim.lua'
const FORWARD = 'internal/proxy/forward.ts'
const VERIFY = 'internal/signature/verify-signature.ts'
const PAY_ONCE = 'internal/payments/pay-once.ts'
const HELD = "if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end"
const CALLER = 'ctx.state.caller = { client: verdict.client, scheme: verdict.scheme }'

const orders = { mode: 'orders', store: 'redis' } as const
const payments = { mode: 'payments', store: 'redis' } as const
const proxy = { mode: 'proxy', store: 'redis' } as const

export const SABOTAGES: Record<string, Sabotage> = {
  'no-unique-constraint': {
    ...orders,
    what: 'the table of orders has no unique constraint',
    patches: [
      {
        file: 'sql/001_orders.sql',
        find: 'PRIMARY KEY (client, id),\n  CONSTRAINT orders_once UNIQUE (client, idempotency_key)',
        replace: 'PRIMARY KEY (client, id)',
      },
      { file: ORDER_STORE, find: 'ON CONFLICT (client, idempotency_key) DO NOTHING', replace: '' },
    ],
    faults: ['redis-flush', 'postgres-reply-lost', 'after-ttl'],
    invariant: 1,
  },
  'answer-before-commit': {
    ...orders,
    what: 'an order is acknowledged before COMMIT',
    patches: [
      {
        file: ORDER_STORE,
        find: "if (await insert(placement)) return { outcome: 'created' }",
        replace: "void insert(placement).catch(() => {})\n      if (placement) return { outcome: 'created' }",
      },
    ],
    faults: ['kill', 'postgres-refuse', 'postgres-restart'],
    invariant: 2,
  },
  'no-fingerprint-in-the-order': {
    ...orders,
    what: 'an order does not know the request that it came from',
    patches: [
      {
        file: ORDER_STORE,
        find: "if (row.fingerprint !== fingerprint) return { outcome: 'mismatch' } as const",
        replace: '',
      },
    ],
    faults: ['redis-flush', 'after-ttl'],
    invariant: 2,
  },
  'replay-from-jsonb': {
    ...orders,
    what: 'the answer is kept as JSON and written anew',
    patches: [
      {
        file: 'internal/idempotency/redis-store.ts',
        find: 'JSON.stringify(answer.headers), answer.body]',
        replace:
          'JSON.stringify(answer.headers), JSON.stringify(JSON.parse(answer.body.toString()), null, 1)]',
      },
    ],
    faults: ['client-leaves'],
    invariant: 4,
  },
  'cached-503': {
    ...orders,
    what: 'a 503 is kept as the answer',
    patches: [
      {
        file: 'internal/idempotency/idempotency.ts',
        find: "if (status < 400 || BUSINESS.has(status)) return 'answer'",
        replace: "if (status < 400 || BUSINESS.has(status) || status === 503) return 'answer'",
      },
    ],
    faults: ['postgres-refuse', 'postgres-restart'],
    invariant: 4,
  },
  'key-not-scoped-by-client': {
    ...orders,
    what: 'the keys of two clients meet',
    patches: [
      {
        file: 'internal/idempotency/redis-names.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
        find: "${start('key', client)}:${escaped(boundedScope(scope))}",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
        replace: "${start('key', 'all')}:${escaped(boundedScope(scope))}",
      },
    ],
    faults: ['client-leaves'],
    invariant: 5,
  },
  'mismatch-after-in-progress': {
    ...proxy,
    what: 'another request under a key in progress is told to wait',
    patches: [
      {
        file: CLAIM,
        find: "if r[1] ~= fingerprint then return {'mismatch'} end",
        replace: "if r[1] ~= fingerprint and r[2] ~= 'in_progress' then return {'mismatch'} end",
      },
    ],
    faults: ['client-leaves'],
    invariant: 5,
  },
  'lock-without-heartbeat': {
    ...proxy,
    what: 'the lease of a request under way is not renewed',
    patches: [
      {
        file: 'internal/idempotency/heartbeat.ts',
        find: 'setTimeout(() => void this.#beat(), Math.min(leaseMs / 3, leftMs))',
        replace: 'setTimeout(() => {}, Math.min(leaseMs / 3, leftMs))',
      },
    ],
    faults: ['client-leaves'],
    invariant: 5,
  },
  'lease-on-the-clock-of-the-node': {
    ...proxy,
    what: 'whether a lease has run out is decided by the clock of a node',
    patches: [
      {
        file: CLAIM,
        find: "local time = redis.call('TIME')\nlocal now = time[1] * 1000 + math.floor(time[2] / 1000)",
        replace: 'local now = tonumber(ARGV[5])',
      },
      {
        file: 'internal/idempotency/redis-store.ts',
        find: '[fingerprint, token, leaseMs, ttlMs]',
        replace: '[fingerprint, token, leaseMs, ttlMs, Date.now()]',
      },
    ],
    faults: ['clock-skew'],
    invariant: 5,
  },
  'lock-without-a-lease': {
    ...proxy,
    what: 'a claim does not look whether the holder is at work',
    patches: [{ file: CLAIM, find: "if left > 0 then return {'in_progress', left} end", replace: '' }],
    faults: ['copies'],
    invariant: 5,
  },
  'unknown-reported-as-failed': {
    ...payments,
    what: 'a charge without an answer is reported as not made',
    patches: [
      {
        file: PAY_ONCE,
        find: "trouble(work, 'a charge was not answered', result.cause)\n        return await findOut(work, result.outcome)",
        replace: "return await abandon(work, { outcome: 'refused', status: 500 })",
      },
    ],
    faults: ['gateway-reset', 'gateway-stall'],
    invariant: 6,
  },
  'limiter-reads-then-writes': {
    ...orders,
    what: 'the limiter looks, and counts in a second step',
    patches: [
      {
        file: 'internal/ratelimit/redis-limiter.ts',
        find: "return this.#run('take', limits, subject)",
        replace:
          "return this.#run('peek', limits, subject).then((seen) => {\n      if (seen.allowed) void this.#run('take', limits, subject).catch(() => {})\n      return seen\n    })",
      },
    ],
    faults: ['client-leaves'],
    invariant: 7,
  },
  'sidecar-sends-again': {
    ...proxy,
    what: 'the sidecar sends a request again after a reset',
    patches: [
      {
        file: FORWARD,
        find: 'const exchanged = await exchange(backend, call, { maxResponseBytes, maxDurationMs, ...signal })',
        replace:
          "let exchanged = await exchange(backend, call, { maxResponseBytes, maxDurationMs, ...signal })\n    if (exchanged.kind === 'failed') exchanged = await exchange(backend, call, { maxResponseBytes, maxDurationMs, ...signal })",
      },
    ],
    faults: ['backend-reset', 'backend-truncate'],
    invariant: 8,
  },
  'dispatched-after-the-send': {
    ...proxy,
    what: 'that a request is on its way is noted when it is over',
    patches: [
      { file: FORWARD, find: '    await attempt.dispatched()\n', replace: '' },
      {
        file: FORWARD,
        find: '    switch (exchanged.kind) {',
        replace: '    await attempt.dispatched()\n    switch (exchanged.kind) {',
      },
    ],
    faults: ['kill', 'stall'],
    invariant: 8,
  },
  'dispatch-without-token': {
    ...proxy,
    what: 'no compare-and-set: who has lost the key may send all the same',
    patches: [
      {
        file: 'internal/idempotency/dispatch.lua',
        find: HELD,
        replace: "if not r[1] then return 'lost' end",
      },
    ],
    faults: ['stall'],
    invariant: 8,
  },
  'release-without-token': {
    ...proxy,
    what: 'who has lost the key frees it under the hands of the next',
    patches: [
      { file: 'internal/idempotency/release.lua', find: HELD, replace: "if not r[1] then return 'lost' end" },
    ],
    faults: ['redis-reply-lost', 'redis-pause'],
    invariant: 8,
  },
  'signature-not-checked': {
    ...orders,
    what: 'a wrong signature is as good as a right one',
    patches: [
      {
        file: VERIFY,
        find: 'if (!verdict.ok) {',
        replace: "if (!verdict.ok && verdict.scheme === 'none') {",
      },
      {
        file: VERIFY,
        find: CALLER,
        replace:
          "ctx.state.caller = { client: verdict.client ?? ctx.get('X-Client-Id'), scheme: verdict.scheme }",
      },
    ],
    faults: ['client-leaves'],
    invariant: 9,
  },
  'signature-skipped-on-replay': {
    ...orders,
    what: 'who knows a key need not sign',
    patches: [
      {
        file: VERIFY,
        find: 'export const V0_DEPRECATED_AT',
        replace: 'const KNOWN = new Set()\nexport const V0_DEPRECATED_AT',
      },
      {
        file: VERIFY,
        find: 'if (!verdict.ok) {',
        replace:
          "const known = ctx.get('Idempotency-Key')\n    if (verdict.ok) KNOWN.add(known)\n    if (!verdict.ok && !KNOWN.has(known)) {",
      },
      {
        file: VERIFY,
        find: CALLER,
        replace: "ctx.state.caller = { client: verdict.client ?? ctx.get('X-Client-Id'), scheme: 'v1' }",
      },
    ],
    faults: ['client-leaves'],
    invariant: 9,
  },
  'charge-sent-again': {
    ...payments,
    what: 'a charge is sent again after a reset',
    patches: [
      {
        file: 'internal/payments/guarded-gateway.ts',
        find: "return outcomeOf(result) === 'unsent'",
        replace: "return ['unsent', 'error'].includes(outcomeOf(result))",
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
        find: "async function next(work: Work, begun: Begun & { outcome: 'taken_over' }): Promise<Paid> {\n    const found = await ask(work.payment)",
        replace:
          "async function next(work: Work, begun: Begun & { outcome: 'taken_over' }): Promise<Paid> {\n    const found = { outcome: 'none' }",
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
        file: 'sql/005_payments.sql',
        find: "    PERFORM oncekey_payment_audit(p, p_event, p_request_id, json_build_object(\n      'status', p_state, 'charge_id', p_charge_id, 'by', p_by, 'reason', p_reason));\n",
        replace: '',
      },
      {
        file: 'internal/payments/payment-store.ts',
        find: 'return byNumber(answers, items.length, (row) => row.done === true)',
        replace:
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
          'for (const { turn, settlement } of items) await database.run((sql) => sql`SELECT oncekey_audit(${turn.client}, ${settlement.event}, ${JSON.stringify({ transaction_id: turn.id })})`)\n  return byNumber(answers, items.length, (row) => row.done === true)',
      },
    ],
    faults: ['postgres-terminate', 'postgres-reply-lost', 'kill-after-commit'],
    invariant: 10,
  },
  'lock-that-stays': {
    ...orders,
    what: 'a lease is a hundred times as long',
    patches: [
      {
        file: CLAIM,
        find: "'attempt', attempt, 'lease_until', now + lease)",
        replace: "'attempt', attempt, 'lease_until', now + 100 * lease)",
      },
      { file: CLAIM, find: 'math.max(ttl, lease))', replace: '100 * math.max(ttl, lease))' },
    ],
    faults: ['kill', 'kill-after-commit'],
    invariant: 11,
  },
  'secret-in-a-log': {
    ...orders,
    what: 'the headers of a request are logged',
    patches: [
      {
        file: 'internal/telemetry/observe.ts',
        find: 'const { method, status, req, state } = ctx',
        replace:
          "const { method, status, req, state } = ctx\n      logger.info({ seen: req.rawHeaders }, 'headers')",
      },
    ],
    faults: ['client-leaves'],
    invariant: 12,
  },
}
