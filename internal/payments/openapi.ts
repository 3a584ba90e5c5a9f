import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { amountNumber, currency, description, metadata, paymentRequest } from './payment-request.ts'

const payment = z.object({
  transaction_id: z.uuid(),
  status: z.enum(['processing', 'completed', 'declined', 'unknown']).meta({
    description:
      'processing: it is being found out whether it was charged; unknown: the gateway has not said for a day',
  }),
  amount: amountNumber,
  currency,
  description: description.optional(),
  payment_method: z
    .string()
    .meta({ description: '****, and the last 4 characters of a method that has 8 or more' }),
  metadata: metadata.optional(),
  created_at: z.iso.datetime(),
})

export const paymentsApi: RoomApi = {
  tag: { name: 'Payments', description: 'Signed. A client sees its own payments only.' },
  schemas: {
    PaymentRequest: paymentRequest,
    Payment: payment,
    PaymentAnswer: z.object({ payment }),
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

const LOCATION = {
  description: 'The path of the payment.',
  schema: { type: 'string', format: 'uri-reference' },
  example: `/api/v1/payments/${ID}`,
}

export const createPaymentOperation: Operation = {
  id: 'createPayment',
  method: 'post',
  path: '/api/v1/payments',
  summary: 'Charge, once',
  description:
    'However often a request with this key is sent, there is one charge and one answer, also a declined one. On a timeout, a lost connection, a 5xx or `request_in_progress` retry with the same key: the service asks the payment gateway what became of the first charge before it would make another. On this route a key is 16 to 255 characters of `A-Z a-z 0-9 _ -`. With the simulated gateway, a `payment_method` that ends in `declined` is declined.',
  body: {
    description: 'Exactly these members. Sign the very bytes that you send.',
    schema: 'PaymentRequest',
    examples: {
      completed: { summary: 'A payment', value: REQUEST },
      declined: {
        summary: 'A payment that is declined; the amount as a string',
        value: DECLINED_REQUEST,
      },
      validation_failed: {
        summary: 'More decimals than the currency has',
        value: { amount: 19.905, currency: 'EUR', payment_method: 'pm_test_4242' },
      },
    },
  },
  answers: {
    200: {
      description: 'It is charged, now or by an earlier request with this key.',
      headers: { Location: LOCATION },
      content: {
        'application/json': {
          schema: 'PaymentAnswer',
          examples: { completed: { summary: 'A payment', value: { payment: COMPLETED } } },
        },
      },
      links: {
        getPayment: {
          operationId: 'getPayment',
          description: 'The payment itself.',
          parameters: { transaction_id: '$response.body#/payment/transaction_id' },
        },
      },
    },
    402: {
      description: 'It was declined. A retry gets this answer again; another attempt needs a new key.',
      headers: { Location: LOCATION },
      content: {
        'application/json': {
          schema: 'PaymentAnswer',
          examples: { declined: { summary: 'A declined payment', value: { payment: DECLINED } } },
        },
      },
    },
  },
  problems: [
    'validation_failed',
    'outcome_unknown',
    'backend_unreachable',
    'circuit_open',
    'store_unavailable',
    'backend_timeout',
  ],
}

export const getPaymentOperation: Operation = {
  id: 'getPayment',
  method: 'get',
  path: '/api/v1/payments/{transaction_id}',
  summary: 'One of your payments',
  description: "In whatever state it is. Another client's payment is not found.",
  parameters: {
    transaction_id: {
      in: 'path',
      name: 'transaction_id',
      required: true,
      description: 'The `transaction_id` of the payment.',
      schema: { type: 'string', format: 'uuid' },
      examples: { id: ID },
    },
  },
  answers: {
    200: {
      description: 'The payment.',
      content: {
        'application/json': {
          schema: 'PaymentAnswer',
          examples: { found: { summary: 'A payment', value: { payment: COMPLETED } } },
        },
      },
    },
  },
  problems: ['not_found', 'store_unavailable'],
}
