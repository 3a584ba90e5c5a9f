import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { SCHEMES, type Scheme } from '../../internal/signature/client-registry.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { ApiDocument, type DescribedOperation } from '../support/api-document.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'client=100000/60s', SIMULATED_FAILURE_RATE: '0' })
after(() => world.close())
const { url } = world.service
const api = new ApiDocument(JSON.parse(await (await fetch(`${url}/openapi.json`)).text()))

interface Call {
  parameters?: Record<string, string>
  body?: string
  accept?: string
  scheme?: Scheme
}

interface Reply {
  status: number
  headers: Headers
  text: string
}

/** Sends what the document describes, and holds the response to what it says of it. */
async function call(
  operation: DescribedOperation,
  { parameters = {}, body = '', ...rest }: Call = {},
): Promise<Reply> {
  const { accept = 'application/json', scheme = 'v1' } = rest
  const places = operation.parameters.map((one) => ({ ...one, value: parameters[one.name] }))
  for (const { name, required, value } of places) {
    assert.ok(value !== undefined || !required, `${operation.id} needs ${name}`)
  }
  const given = (place: string) =>
    places.flatMap((one): [string, string][] =>
      one.in === place && one.value !== undefined ? [[one.name, one.value]] : [],
    )
  const query = new URLSearchParams(given('query')).toString()
  const path = given('path').reduce((text, [name, value]) => text.replace(`{${name}}`, value), operation.path)
  const target = query === '' ? path : `${path}?${query}`
  const headers = new Headers([...given('header'), ['Accept', accept]])
  if (body !== '') headers.set('Content-Type', 'application/json')
  if (operation.signed) {
    const { method } = operation
    const key = headers.get('Idempotency-Key') ?? ''
    const timestamp = Math.floor(Date.now() / 1000)
    const unsigned = { method, target, client: headers.get('X-Client-Id') ?? 'default', key, body, timestamp }
    for (const [name, value] of signedHeaders(scheme, 'super-secret-key', unsigned)) headers.set(name, value)
  }
  const init = { method: operation.method, headers, ...(body === '' ? {} : { body }) }
  const response = await fetch(url + target, init)
  const reply = { status: response.status, headers: response.headers, text: await response.text() }
  api.assertResponse(operation, reply.status, reply.headers, reply.text)
  return reply
}

/** What is another one each time: the rest of an example is what the service responds. */
function masked(value: unknown): unknown {
  const volatile = new Set([
    'id',
    'transaction_id',
    'created_at',
    'idempotency_key',
    'request_id',
    'url',
    'secret',
  ])
  return JSON.parse(JSON.stringify(value), (name, one) => {
    if (volatile.has(name)) return name
    // One example of a problem serves all routes.
    return name === 'detail'
      ? one.replace(/^The (order|payment|simulation|endpoint|rotation) /, 'The order ')
      : one
  })
}

/** Of a simulation only the names are the same each time. */
const named = (value: unknown): unknown =>
  Object.keys(typeof value === 'object' && value !== null ? value : {}).sort()

/** The body with a key of its own, where it has one. */
const fresh = (body: string) =>
  body
    .replace(/"idempotency_key":"[^"]*"/, `"idempotency_key":"${randomUUID()}"`)
    .replace('https://partner.example/hooks', () => `https://partner.example/${randomUUID()}`)

const key = () => ({ 'Idempotency-Key': randomUUID() })
/** What an operation cannot do without. */
async function needed(operation: DescribedOperation): Promise<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const { name, required, examples } of operation.parameters) {
    if (name === 'Idempotency-Key') Object.assign(values, key())
    else if (operation.id === 'getOrder' && name === 'id') values.id = await placedId()
    else if (operation.id.endsWith('WebhookEndpoint') && name === 'id') values.id = await endpointId()
    else if (name === 'transaction_id') values[name] = await paidId()
    else if (required) values[name] = String(Object.values(examples)[0]?.value)
  }
  return values
}

async function placedId(): Promise<string> {
  const operation = api.operation('placeOrder')
  const [body = ''] = operation.bodies.map(([, text]) => text)
  const { text } = await call(operation, { parameters: key(), body })
  return atExpression(JSON.parse(text), '$response.body#/order/id')
}

async function endpointId(): Promise<string> {
  const body = JSON.stringify({ url: `https://partner.example/${randomUUID()}` })
  const { text } = await call(api.operation('addWebhookEndpoint'), { parameters: {}, body })
  return atExpression(JSON.parse(text), '$response.body#/webhook_endpoint/id')
}

async function paidId(): Promise<string> {
  const operation = api.operation('createPayment')
  const [body = ''] = operation.bodies.map(([, text]) => text)
  const { text } = await call(operation, { parameters: key(), body })
  return atExpression(JSON.parse(text), '$response.body#/payment/transaction_id')
}

const withBody = api.operations.filter(({ bodies }) => bodies.length > 0)

describe('every example of a body', () => {
  assert.ok(withBody.length > 0)
  for (const operation of withBody) {
    for (const [name, body] of operation.bodies) {
      test(`${operation.id}: ${name} gets the response of its name`, async () => {
        const parameters = { ...key(), ...(await needed(operation)) }
        const { status, headers, text } = await call(operation, { parameters, body: fresh(body) })
        const type = (headers.get('Content-Type') ?? '').split(';')[0] ?? ''
        const example = api.examples(operation, status, type).get(name)
        assert.ok(example !== undefined, `${status} has an example ${name}`)
        if (status === 200 && operation.id === 'simulateConcurrent')
          assert.deepEqual(named(JSON.parse(text)), named(example))
        else assert.deepEqual(masked(JSON.parse(text)), masked(example))
      })

      test(`${operation.id}: ${name} is replayed, as the document says`, async () => {
        if (!operation.codes.some(({ code }) => code === 'idempotency_key_reused')) return
        const parameters = key()
        const sent = fresh(body)
        const first = await call(operation, { parameters, body: sent })
        const second = await call(operation, { parameters, body: sent })
        assert.equal(first.headers.has('Idempotent-Replayed'), false)
        assert.equal(second.headers.get('Idempotent-Replayed'), 'true')
        assert.equal(second.text, first.text)
      })
    }
  }
})

describe('every example of a parameter', () => {
  for (const operation of api.operations) {
    const [body = ''] = operation.bodies.map(([, text]) => text)
    for (const { name, examples } of operation.parameters) {
      for (const [label, { value }] of Object.entries(examples)) {
        test(`${operation.id}: ${name} ${label} is taken`, async () => {
          const parameters = { ...(await needed(operation)), [name]: String(value) }
          const reply = await call(operation, { parameters, body: fresh(body) })
          // What has the id of an example belongs to no client.
          if (['id', 'transaction_id'].includes(name)) assert.equal(reply.status, 404)
          else assert.ok(reply.status < 300, reply.text)
          if (name === 'X-Request-Id') assert.equal(reply.headers.get(name), String(value))
        })
      }
    }
  }
})

describe('every scheme', () => {
  for (const scheme of SCHEMES) {
    test(`${scheme} signs an order, and its response is as described`, async () => {
      const operation = api.operation('placeOrder')
      const [body = ''] = operation.bodies.map(([, text]) => text)
      const reply = await call(operation, { parameters: key(), body, scheme })
      assert.equal(reply.status, 201)
      assert.equal(reply.headers.has('Deprecation'), scheme === 'v0')
    })
  }
})

describe('links', () => {
  test('each leads from a response to the operation it names', async () => {
    const [place, pay] = [api.operation('placeOrder'), api.operation('createPayment')]
    const [body = ''] = place.bodies.map(([, text]) => text)
    const [payment = ''] = pay.bodies.map(([, text]) => text)
    await call(place, { parameters: key(), body })
    const followed = new Set<string>()
    for (const [operation, parameters, sent] of [
      [place, key(), body],
      [pay, key(), payment],
      [api.operation('listOrders'), { limit: '1' }, ''],
      [api.operation('listPayments'), { limit: '1' }, ''],
    ] as const) {
      const reply = await call(operation, { parameters, body: sent })
      for (const [name, link] of Object.entries(operation.responses.get(reply.status)?.links ?? {})) {
        const values = Object.entries(link.parameters).map(([parameter, expression]): [string, string] => [
          parameter,
          atExpression(JSON.parse(reply.text), expression),
        ])
        const next = await call(api.operation(link.operationId), { parameters: Object.fromEntries(values) })
        assert.equal(next.status, 200, next.text)
        followed.add(name)
      }
    }
    const all = api.operations.flatMap(({ responses }) =>
      [...responses.values()].flatMap(({ links }) => Object.keys(links ?? {})),
    )
    assert.deepEqual([...followed].sort(), all.sort())
  })
})

/** A runtime expression of OpenAPI: `$response.body#/order/id`. */
function atExpression(body: unknown, expression: string): string {
  const [start, pointer = ''] = expression.split('#/')
  assert.equal(start, '$response.body')
  let found = body
  for (const name of pointer.split('/')) {
    assert.ok(typeof found === 'object' && found !== null, expression)
    found = new Map<string, unknown>(Object.entries(found)).get(name)
  }
  assert.equal(typeof found, 'string', `${expression} is ${found}`)
  return String(found)
}

describe('every example of a response', () => {
  for (const operation of api.operations) {
    for (const [status, { content }] of operation.responses) {
      for (const type of Object.keys(content)) {
        for (const [name, value] of api.examples(operation, status, type)) {
          test(`${operation.id}: ${status} ${name} is valid`, () => {
            const at = ['paths', operation.path, operation.method.toLowerCase(), 'responses', String(status)]
            api.assertValid([...at, 'content', type, 'schema'], value)
          })
        }
      }
    }
  }

  for (const operation of api.operations.filter(({ method, signed }) => method === 'GET' && !signed)) {
    for (const type of Object.keys(operation.responses.get(200)?.content ?? {})) {
      test(`${operation.id}: ${type} is what is sent`, async () => {
        const reply = await call(operation, { parameters: await needed(operation), accept: type })
        assert.equal(reply.status, 200)
        assert.equal((reply.headers.get('Content-Type') ?? '').split(';')[0], type)
        for (const [name, example] of api.examples(operation, 200, type)) {
          if (typeof example === 'string') {
            for (const line of example.split('\n')) assert.ok(lineOf(reply.text, line), `${name}: ${line}`)
          } else {
            assert.ok(hasMembers(JSON.parse(reply.text), example), reply.text.slice(0, 300))
          }
        }
      })
    }
  }

  test('an order and a page have the members of the examples, and a page after the last is empty', async () => {
    const [list, get] = [api.operation('listOrders'), api.operation('getOrder')]
    const example = (operation: DescribedOperation, name: string) =>
      api.examples(operation, 200, 'application/json').get(name)
    const page = await call(list, { parameters: { limit: '1' } })
    assert.ok(hasMembers(JSON.parse(page.text), example(list, 'first')), page.text)
    const order = await call(get, { parameters: { id: await placedId() } })
    assert.ok(hasMembers(JSON.parse(order.text), example(get, 'found')), order.text)
    // The example of a cursor is older than every order here.
    const { next } = list.parameters.find(({ name }) => name === 'cursor')?.examples ?? {}
    const last = await call(list, { parameters: { cursor: String(next?.value) } })
    assert.deepEqual(JSON.parse(last.text), example(list, 'empty'))
  })
})

/** Whether a line of an example is one of the text; numbers may be others. */
function lineOf(text: string, line: string): boolean {
  const plain = (one: string) => one.replace(/\d+/g, '0')
  return text.split('\n').some((one) => plain(one) === plain(line))
}

/** An example may be shortened (fewer members, fewer elements), but has nothing that the response does not have. */
function hasMembers(actual: unknown, example: unknown): boolean {
  if (Array.isArray(example)) {
    return Array.isArray(actual) && example.every((one) => actual.some((other) => hasMembers(other, one)))
  }
  if (typeof example !== 'object' || example === null) return true
  if (typeof actual !== 'object' || actual === null) return false
  const found = new Map<string, unknown>(Object.entries(actual))
  return Object.entries(example).every(([name, one]) => found.has(name) && hasMembers(found.get(name), one))
}
