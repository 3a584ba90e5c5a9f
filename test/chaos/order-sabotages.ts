import type { Sabotage } from './sabotage.ts'

const ORDER_STORE = 'internal/orders/order-store.ts'
const PLACE_ORDERS = 'internal/orders/place-orders.ts'
const CLAIM = 'internal/idempotency/claim.lua'
const VERIFY = 'internal/signature/verify-signature.ts'
const CALLER = 'ctx.state.caller = { client: verdict.client, scheme: verdict.scheme }'
const orders = { mode: 'orders', store: 'redis' } as const

/** Bugs that show where orders are placed. */
export const ORDER_SABOTAGES: Record<string, Sabotage> = {
  'no-unique-constraint': {
    ...orders,
    what: 'the table of orders has no unique constraint',
    patches: [
      {
        file: 'sql/002_orders.sql',
        find: 'PRIMARY KEY (client, id),\n  CONSTRAINT orders_once UNIQUE (client, idempotency_key)',
        replace: 'PRIMARY KEY (client, id)',
      },
      { file: PLACE_ORDERS, find: 'ON CONFLICT (client, idempotency_key) DO NOTHING', replace: '' },
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
        find: 'reject,\n        ),',
        replace: '() => {},\n        ) ?? resolve(CREATED),',
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
        file: 'internal/orders/place-orders.ts',
        find: 'return fingerprint === asked\n',
        replace: 'return asked.length > 0\n',
      },
    ],
    faults: ['redis-flush', 'after-ttl'],
    invariant: 2,
  },
  'replay-from-jsonb': {
    ...orders,
    what: 'the response is kept as JSON and written anew',
    patches: [
      {
        file: 'internal/idempotency/redis-store.ts',
        find: 'JSON.stringify(response.headers), response.body]',
        replace:
          'JSON.stringify(response.headers), JSON.stringify(JSON.parse(response.body.toString()), null, 1)]',
      },
    ],
    faults: ['client-leaves'],
    invariant: 4,
  },
  'cached-503': {
    ...orders,
    what: 'a 503 is kept as the response',
    patches: [
      {
        file: 'internal/idempotency/idempotency.ts',
        find: "if (status < 400 || BUSINESS.has(status)) return 'completed'",
        replace: "if (status < 400 || BUSINESS.has(status) || status === 503) return 'completed'",
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
          "ctx.state.caller = { client: verdict.ok ? verdict.client : ctx.get('X-Client-Id'), scheme: verdict.scheme }",
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
        replace:
          "ctx.state.caller = { client: verdict.ok ? verdict.client : ctx.get('X-Client-Id'), scheme: 'v1' }",
      },
    ],
    faults: ['client-leaves'],
    invariant: 9,
  },
  'lock-that-stays': {
    ...orders,
    what: 'a lease is a hundred times as long',
    patches: [
      {
        file: CLAIM,
        find: "'attempt', attempt, 'lease_until', now + lease, 'lease', lease)",
        replace: "'attempt', attempt, 'lease_until', now + 100 * lease, 'lease', 100 * lease)",
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
