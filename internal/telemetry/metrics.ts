import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { QuickCounter } from './quick-counter.ts'
import { QuickHistogram } from './quick-histogram.ts'

/** From a replay on loopback to the deadline of a store. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** From a lone request to a full batch (128). */
const BATCH_ITEMS = [1, 2, 4, 8, 16, 32, 64, 127]

/** How a payment ends. */
const SETTLED = ['completed', 'declined']

export type Metrics = ReturnType<typeof createMetrics>

/** All metrics of the service. Every label has a fixed, small set of values: never a path, key or client as sent. */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const payments = new Counter({
    name: 'payments_total',
    help: 'Payments that this process has settled, by what became of them',
    labelNames: ['status'],
    registers,
  })
  const inFlight = { requests: 0 }
  for (const status of SETTLED) payments.inc({ status }, 0)
  return {
    registry,
    payments,
    paymentRequests: new Counter({
      name: 'payment_requests_total',
      help: 'Requests for payments (POST /pay, POST /api/v1/payments) that got past authentication and limits, retries and replays too',
      registers,
    }),
    paymentRequestsFailed: new Counter({
      name: 'payment_requests_failed',
      help: 'Of these, how many got 5xx, simulated failures too; a declined payment is a response',
      registers,
    }),
    paymentSuccessRate: new Gauge({
      name: 'payment_success_rate',
      help: 'Completed share, 0 to 1, of the payments that this process has settled since its start (the others are declined); 1 before the first',
      // Of several processes that show themselves as one.
      aggregator: 'average',
      registers,
      async collect() {
        const { values } = await payments.get()
        const of = (wanted?: string) =>
          values
            .filter(({ labels }) => wanted === undefined || labels.status === wanted)
            .reduce((sum, { value }) => sum + value, 0)
        this.set(of() === 0 ? 1 : of('completed') / of())
      },
    }),
    buildInfo: new Gauge({
      name: 'oncekey_build_info',
      help: 'Always 1',
      labelNames: ['version'],
      aggregator: 'first',
      registers,
    }),
    requestDuration: new QuickHistogram({
      name: 'http_request_duration_seconds',
      help: 'Time from the headers to the end of the response',
      labelNames: ['method', 'route', 'status'],
      buckets: SECONDS,
      registers,
    }),
    requestsRefused: new Counter({
      name: 'http_requests_refused_total',
      help: 'Requests that are no HTTP, too large or too slow, refused before any route',
      labelNames: ['reason'],
      registers,
    }),
    /** Counted at the beginning and at the end of each request, and shown when the metrics are read. */
    inFlight,
    requestsInFlight: new Gauge({
      name: 'http_requests_in_flight',
      help: 'Requests being worked on',
      registers,
      collect() {
        this.set(inFlight.requests)
      },
    }),
    idempotencyOutcomes: new QuickCounter({
      name: 'idempotency_outcomes_total',
      help: 'What became of requests with a key',
      labelNames: ['outcome'],
      registers,
    }),
    replays: new Counter({
      name: 'idempotent_replays_total',
      help: 'Requests that got the stored response of an earlier one',
      registers,
    }),
    conflicts: new Counter({
      name: 'concurrent_conflicts_total',
      help: 'Requests refused because the first with their key was still in flight',
      registers,
    }),
    storeDuration: new QuickHistogram({
      name: 'idempotency_store_duration_seconds',
      help: 'Time that a verb of the idempotency store took, seen from here',
      labelNames: ['store', 'operation'],
      buckets: SECONDS,
      registers,
    }),
    signatures: new QuickCounter({
      name: 'signature_verifications_total',
      help: 'Signatures and API keys by scheme and result',
      labelNames: ['scheme', 'result'],
      registers,
    }),
    rateLimitDecisions: new QuickCounter({
      name: 'rate_limit_decisions_total',
      help: 'Decisions by scope of the limit',
      labelNames: ['scope', 'decision'],
      registers,
    }),
    rateLimitExceeded: new Counter({
      name: 'rate_limit_exceeded_total',
      help: 'Requests refused with 429',
      registers,
    }),
    circuitState: new Gauge({
      name: 'circuit_state',
      help: 'Of the circuit breaker: 0 closed, 1 half-open, 2 open',
      labelNames: ['name'],
      // Of several processes that show themselves as one: the one that is worst off.
      aggregator: 'max',
      registers,
    }),
    gatewayDuration: new QuickHistogram({
      name: 'payment_gateway_duration_seconds',
      help: 'Time that a call of the payment gateway took, by what came of it',
      labelNames: ['outcome'],
      buckets: SECONDS,
      registers,
    }),
    upstreamDuration: new QuickHistogram({
      name: 'proxy_upstream_duration_seconds',
      help: 'Time from a request to the backend until its response was there whole, or it failed',
      labelNames: ['outcome'],
      buckets: [...SECONDS, 30, 60, 300],
      registers,
    }),
    webhookAttempts: new QuickHistogram({
      name: 'webhook_delivery_duration_seconds',
      help: 'Time that an attempt to deliver an event took, by what came of it',
      labelNames: ['outcome'],
      buckets: SECONDS,
      registers,
    }),
    batchItems: new QuickHistogram({
      name: 'group_commit_items',
      help: 'Items that shared one statement',
      labelNames: ['group'],
      buckets: BATCH_ITEMS,
      registers,
    }),
    orders: new Counter({ name: 'orders_placed_total', help: 'Orders committed by this process', registers }),
    auditEntriesLost: new Counter({
      name: 'audit_entries_lost_total',
      help: 'Replays, conflicts and refusals that could not be written into the audit trail',
      registers,
    }),
  }
}
