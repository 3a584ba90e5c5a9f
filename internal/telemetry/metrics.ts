import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { QuickCounter, QuickHistogram } from './quick-metrics.ts'

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
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  const quickCounter = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new QuickCounter({ name, help, labelNames, registers })
  const seconds = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new QuickHistogram({ name, help, labelNames, buckets: SECONDS, registers })
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
    paymentRequests: counter(
      'payment_requests_total',
      'Requests for payments (POST /pay, POST /api/v1/payments) that got past authentication and limits, retries and replays too',
    ),
    paymentRequestsFailed: counter(
      'payment_requests_failed',
      'Of these, how many got 5xx, simulated failures too; a declined payment is a response',
    ),
    paymentSuccessRate: new Gauge({
      name: 'payment_success_rate',
      help: 'Completed share, 0 to 1, of the payments that this process has settled since its start (the others are declined); 1 before the first',
      // Of several workers.
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
    requestDuration: seconds(
      'http_request_duration_seconds',
      'Time from the headers to the end of the response',
      'method',
      'route',
      'status',
    ),
    requestsRefused: new Counter({
      name: 'http_requests_refused_total',
      help: 'Requests that are no HTTP, too large or too slow, refused before any route',
      labelNames: ['reason'],
      registers,
    }),
    /** Counted at the beginning and end of each request. */
    inFlight,
    requestsInFlight: new Gauge({
      name: 'http_requests_in_flight',
      help: 'Requests being worked on',
      registers,
      collect() {
        this.set(inFlight.requests)
      },
    }),
    idempotencyOutcomes: quickCounter(
      'idempotency_outcomes_total',
      'What became of requests with a key',
      'outcome',
    ),
    replays: counter('idempotent_replays_total', 'Requests that got the stored response of an earlier one'),
    conflicts: counter(
      'concurrent_conflicts_total',
      'Requests refused because the first with their key was still in flight',
    ),
    storeDuration: seconds(
      'idempotency_store_duration_seconds',
      'Time that a verb of the idempotency store took, seen from here',
      'store',
      'operation',
    ),
    signatures: quickCounter(
      'signature_verifications_total',
      'Signatures and API keys by scheme and result',
      'scheme',
      'result',
    ),
    rateLimitDecisions: quickCounter(
      'rate_limit_decisions_total',
      'Decisions by scope of the limit',
      'scope',
      'decision',
    ),
    rateLimitExceeded: counter('rate_limit_exceeded_total', 'Requests refused with 429'),
    circuitState: new Gauge({
      name: 'circuit_state',
      help: 'Of the circuit breaker: 0 closed, 1 half-open, 2 open',
      labelNames: ['name'],
      // Of several workers: the worst.
      aggregator: 'max',
      registers,
    }),
    gatewayDuration: seconds(
      'payment_gateway_duration_seconds',
      'Time that a call of the payment gateway took, by what came of it',
      'outcome',
    ),
    upstreamDuration: new QuickHistogram({
      name: 'proxy_upstream_duration_seconds',
      help: 'Time from a request to the backend until its response was there whole, or it failed',
      labelNames: ['outcome'],
      buckets: [...SECONDS, 30, 60, 300],
      registers,
    }),
    webhookAttempts: seconds(
      'webhook_delivery_duration_seconds',
      'Time that an attempt to deliver an event took, by what came of it',
      'outcome',
    ),
    batchItems: new QuickHistogram({
      name: 'group_commit_items',
      help: 'Items that shared one statement',
      labelNames: ['group'],
      buckets: BATCH_ITEMS,
      registers,
    }),
    orders: counter('orders_placed_total', 'Orders committed by this process'),
    auditEntriesLost: counter(
      'audit_entries_lost_total',
      'Replays, conflicts and refusals that could not be written into the audit trail',
    ),
  }
}
