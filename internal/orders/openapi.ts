import { z } from 'zod'
import type { Operation, RoomApi } from '../openapi/describe.ts'
import { idParameter, jsonContent, listParameters, locationHeader, nextPageLink } from '../openapi/parts.ts'
import { amountNumber } from './money.ts'
import { name, orderRequest } from './order.ts'

export const order = z.object({
  id: z.uuid(),
  user_id: name,
  item: name,
  amount: amountNumber,
  idempotency_key: z.string().min(1).max(255),
  created_at: z.iso.datetime(),
})

export const ordersApi: RoomApi = {
  tag: { name: 'Orders', description: 'Signed. A client sees its own orders only.' },
  schemas: {
    OrderRequest: orderRequest,
    Order: order,
    OrderResponse: z.object({ order }),
    OrderPage: z.object({
      orders: z.array(order),
      next_cursor: z
        .uuid()
        .nullable()
        .meta({ description: 'The `cursor` of the next page; null on the last one' }),
    }),
  },
}

const ID = '019b76da-a800-7c3e-8f6e-5d1d2b0a9c11'
const PLACED = {
  id: ID,
  user_id: 'user-1',
  item: 'book',
  amount: 500,
  idempotency_key: '0b9d3a52-5f0c-4f39-9a57-3f2d3a1b6c48',
  created_at: '2026-01-01T00:00:00.000Z',
}

export const placeOrderOperation: Operation = {
  summary: 'Place an order, once',
  description:
    'However often a request with this key is sent, there is one order and one response. A retry is the same method, path, query and body, byte for byte; it gets the stored response with `Idempotent-Replayed: true`. On a timeout, a lost connection, a 5xx or `request_in_progress` retry with the same key: that is always safe.',
  body: {
    description: 'Exactly these members. Sign the very bytes that you send.',
    schema: 'OrderRequest',
    examples: {
      placed: { summary: 'An order', value: { user_id: 'user-1', item: 'book', amount: 500 } },
      amountAsText: {
        summary: 'The amount as a string',
        value: { user_id: 'user-1', item: 'pen', amount: '19.90' },
      },
      validation_failed: {
        summary: 'Too many decimals',
        value: { user_id: 'user-1', item: 'pen', amount: 19.905 },
      },
    },
  },
  responses: {
    201: {
      description: 'The order is placed, now or by an earlier request with this key.',
      headers: locationHeader('order', `/orders/${ID}`),
      content: jsonContent('OrderResponse', {
        placed: { summary: 'An order', value: { order: PLACED } },
        amountAsText: {
          summary: 'An amount comes back as a number without trailing zeros',
          value: { order: { ...PLACED, item: 'pen', amount: 19.9 } },
        },
      }),
      links: {
        getOrder: {
          operationId: 'getOrder',
          description: 'The order itself.',
          parameters: { id: '$response.body#/order/id' },
        },
      },
    },
  },
  problems: ['validation_failed', 'store_unavailable'],
}

export const getOrderOperation: Operation = {
  summary: 'One of your orders',
  description: "Another client's order is not found.",
  parameters: idParameter('id', 'order', ID),
  responses: {
    200: {
      description: 'The order.',
      content: jsonContent('OrderResponse', { found: { summary: 'An order', value: { order: PLACED } } }),
    },
  },
  problems: ['not_found', 'store_unavailable'],
}

export const listOrdersOperation: Operation = {
  summary: 'Your orders, newest first',
  description:
    'Orders placed while you page never move the later pages. With `idempotency_key` it tells whether a request took effect whose response was lost.',
  parameters: listParameters('orders', ID),
  responses: {
    200: {
      description: 'A page.',
      content: jsonContent('OrderPage', {
        first: { summary: 'There are more', value: { orders: [PLACED], next_cursor: ID } },
        empty: { summary: 'No orders (any more)', value: { orders: [], next_cursor: null } },
      }),
      links: { nextPage: nextPageLink('listOrders') },
    },
  },
  problems: ['invalid_request', 'store_unavailable'],
}
