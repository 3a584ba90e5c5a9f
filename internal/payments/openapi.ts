import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { idParameter, jsonContent, listParameters, locationHeader, nextPageLink } from '../openapi/parts.ts'
import { payRequest } from './pay-request.ts'
import { amountNumber, currency, description, metadata, paymentRequest, plain } from './payment-request.ts'
import { MAX_COPIES, simulationRequest } from './simulation-request.ts'

export const payment = z.object({
  transaction_id: z.uuid(),
  status: z.enum(['processing', 'completed', 'declined', 'unknown']).meta({
    description:
      'processing: it is being found out whether it was charged; unknown: the gateway has not said for a day',
  }),
  amount: amountNumber,
  currency: currency.optional(),
  user_id: plain(255).optional(),
  description: description.optional(),
  payment_method: z
    .string()
    .meta({ description: '****, and the last 4 characters of a method that has 8 or more' })
    .optional(),
  metadata: metadata.optional(),
  idempotency_key: z.string().meta({ description: 'Where it came in the body' }).optional(),
  created_at: z.iso.datetime(),
})

const count = z.int().min(0)

const simulation = z.object({
  requests: count,
  idempotency_key: z.string(),
  executed: count.meta({ description: 'Copies whose response was the first one: 1' }),
  replayed: count.meta({ description: 'Copies that got the stored response' }),
  conflicted: count.meta({ description: 'How often a copy got 409 and tried again' }),
  rate_limited: count.meta({ description: 'Copies that ended with 429' }),
  failed: count.meta({ description: 'Copies that ended without a response to the payment' }),
  transaction_id: z.uuid().nullable(),
  identical_answers: z.boolean().meta({ description: 'Status and bytes of all copies that got a response' }),
  duration_ms: z.number(),
  copies: z.array(
    z.object({
      copy: z.int().min(1),
      outcome: z.enum(['executed', 'replayed', 'rate_limited', 'conflicted', 'failed']),
      status: count.meta({ description: 'Of the last response; 0: there was none' }),
      attempts: count,
      started_ms: z.number(),
      duration_ms: z.number(),
    }),
  ),
})

export const paymentsApi: RoomApi = {
  tag: { name: 'Payments', description: 'Signed. A client sees its own payments only.' },
  schemas: {
    PaymentRequest: paymentRequest,
    Payment: payment,
    PaymentResponse: z.object({ payment }),
    PaymentPage: z.object({
      payments: z.array(payment),
      next_cursor: z
        .uuid()
        .nullable()
        .meta({ description: 'The `cursor` of the next page; null on the last one' }),
    }),
    PayRequest: payRequest,
    SimulationRequest: simulationRequest,
    Simulation: simulation,
  },
}

const ID = '019b76da-a800-7c3e-8f6e-5d1d2b0a9c12'
const REQUEST = {
  amount: 19.9,
  currency: 'EUR',
  description: 'Invoice 4711',
  payment_method: 'pm_test_4242',
  metadata: { invoice: '4711' },
}
const COMPLETED = {
  transaction_id: ID,
  status: 'completed',
  ...REQUEST,
  payment_method: '****4242',
  created_at: '2026-01-01T00:00:00.000Z',
}
const DECLINED_REQUEST = { amount: '500', currency: 'JPY', payment_method: 'pm_test_declined' }
const DECLINED = {
  transaction_id: ID,
  status: 'declined',
  amount: 500,
  currency: 'JPY',
  payment_method: '****ined',
  created_at: '2026-01-01T00:00:00.000Z',
}

const PAY_REQUEST = { user_id: 'user-1', amount: 19.9, idempotency_key: 'payment-4711' }
const PAID = {
  transaction_id: ID,
  status: 'completed',
  amount: 19.9,
  user_id: 'user-1',
  idempotency_key: 'payment-4711',
  created_at: '2026-01-01T00:00:00.000Z',
}
const copy = (number: number, outcome: string, attempts: number) => ({
  copy: number,
  outcome,
  status: 200,
  attempts,
  started_ms: 0.4,
  duration_ms: 71.3,
})

const LOCATION = locationHeader('payment', `/api/v1/payments/${ID}`)

const CHARGE_PROBLEMS = [
  'validation_failed',
  'outcome_unknown',
  'backend_unreachable',
  'circuit_open',
  'store_unavailable',
  'backend_timeout',
] as const

export const createPaymentOperation: Operation = {
  summary: 'Charge, once',
  description:
    'However often a request with this key is sent, there is one charge and one response, also a declined one. On a timeout, a lost connection, a 5xx or `request_in_progress` retry with the same key: the service asks the payment gateway what became of the first charge before it would make another. On this route a key is 16 to 255 characters of `A-Z a-z 0-9 _ -`. With the simulated gateway, a `payment_method` that ends in `declined` is declined.',
  body: {
    description: 'Exactly these members. Sign the very bytes that you send.',
    schema: 'PaymentRequest',
    examples: {
      completed: { summary: 'A payment', value: REQUEST },
      declined: { summary: 'A payment that is declined; the amount as a string', value: DECLINED_REQUEST },
      validation_failed: {
        summary: 'More decimals than the currency has',
        value: { amount: 19.905, currency: 'EUR', payment_method: 'pm_test_4242' },
      },
    },
  },
  responses: {
    200: {
      description: 'It is charged, now or by an earlier request with this key.',
      headers: LOCATION,
      content: jsonContent('PaymentResponse', {
        completed: { summary: 'A payment', value: { payment: COMPLETED } },
      }),
      links: {
        getPayment: {
          operationId: 'getPayment',
          description: 'The payment itself.',
          parameters: { transaction_id: '$response.body#/payment/transaction_id' },
        },
      },
    },
    402: {
      description: 'It was declined. A retry gets this response again; another attempt needs a new key.',
      headers: LOCATION,
      content: jsonContent('PaymentResponse', {
        declined: { summary: 'A declined payment', value: { payment: DECLINED } },
      }),
    },
  },
  problems: CHARGE_PROBLEMS,
}

export const listPaymentsOperation: Operation = {
  summary: 'Your payments, newest first',
  description:
    'In whatever state they are. With `idempotency_key` it tells whether a request took effect whose response was lost.',
  parameters: {
    ...listParameters('payments', ID),
    status: {
      in: 'query',
      name: 'status',
      description: 'The payments in this state.',
      schema: { type: 'string', enum: ['processing', 'completed', 'declined', 'unknown'] },
      examples: { completed: 'completed' },
    },
  },
  responses: {
    200: {
      description: 'A page.',
      content: jsonContent('PaymentPage', {
        first: { summary: 'There are more', value: { payments: [COMPLETED], next_cursor: ID } },
        empty: { summary: 'No payments (any more)', value: { payments: [], next_cursor: null } },
      }),
      links: { nextPayments: nextPageLink('listPayments') },
    },
  },
  problems: ['invalid_request', 'store_unavailable'],
}

export const getPaymentOperation: Operation = {
  summary: 'One of your payments',
  description: "In whatever state it is. Another client's payment is not found.",
  parameters: idParameter('transaction_id', 'payment', ID),
  responses: {
    200: {
      description: 'The payment.',
      content: jsonContent('PaymentResponse', {
        found: { summary: 'A payment', value: { payment: COMPLETED } },
      }),
    },
  },
  problems: ['not_found', 'store_unavailable'],
}

export const payOperation: Operation = {
  summary: 'Pay, once, in three members',
  description:
    'As `POST /api/v1/payments`, without currency and payment method, and with the key in the body: 1 to 255 printable ASCII characters. An `Idempotency-Key` header is not needed; with one, it has to be the same key. In demo mode nobody has to say who is calling. `SIMULATED_FAILURE_RATE` makes a share of the requests fail with `internal_error`, `retryable: true`, before anything has happened: retry with the same key.',
  body: {
    description: 'Exactly these members. Sign the very bytes that you send.',
    schema: 'PayRequest',
    examples: {
      paid: { summary: 'A payment', value: PAY_REQUEST },
      validation_failed: {
        summary: 'More than two decimals',
        value: { ...PAY_REQUEST, amount: 19.905, idempotency_key: 'payment-4712' },
      },
    },
  },
  responses: {
    200: {
      description: 'It is charged, now or by an earlier request with this key.',
      content: jsonContent('PaymentResponse', { paid: { summary: 'A payment', value: { payment: PAID } } }),
    },
    402: {
      description: 'It was declined. A retry gets this response again; another attempt needs a new key.',
      content: jsonContent('PaymentResponse', {
        refused: {
          summary: 'A payment that was declined',
          value: { payment: { ...PAID, status: 'declined' } },
        },
      }),
    },
  },
  problems: CHARGE_PROBLEMS,
}

export const simulateConcurrentOperation: Operation = {
  summary: 'See copies of one payment meet',
  description:
    'In demo mode only. Sends copies of one payment to this service, all at the same time, as a user made for it: real requests through every stage, limits included. A copy that meets another one in flight tries again, as partners do, for up to 20 s. One simulation at a time. Without a body, five copies are sent.',
  parameters: {
    concurrent_count: {
      in: 'query',
      name: 'concurrent_count',
      description: 'In place of `requests` in the body: how many copies are sent at the same time.',
      schema: { type: 'integer', minimum: 2, maximum: MAX_COPIES },
      examples: { five: 5 },
    },
  },
  body: {
    description: 'May be left out, and so may each member.',
    schema: 'SimulationRequest',
    optional: true,
    examples: {
      five: { summary: 'Five copies', value: { requests: 5 } },
      validation_failed: { summary: 'More decimals than the currency has', value: { amount: 19.905 } },
    },
  },
  responses: {
    200: {
      description: 'What became of the copies.',
      content: jsonContent('Simulation', {
        five: {
          summary: 'Five copies of a payment',
          value: {
            requests: 5,
            idempotency_key: 'simulation-0f1e2d3c4b5a-0001',
            executed: 1,
            replayed: 4,
            conflicted: 4,
            rate_limited: 0,
            failed: 0,
            transaction_id: ID,
            identical_answers: true,
            duration_ms: 1132.8,
            copies: [copy(1, 'executed', 1), copy(2, 'replayed', 2)],
          },
        },
      }),
    },
  },
  problems: ['validation_failed', 'rate_limited'],
}
