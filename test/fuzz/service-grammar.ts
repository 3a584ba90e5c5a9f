import { bearer, forged, nobody, operator, signatureLines, signed } from './credentials.ts'
import { AMBIGUOUS_FRAMING, METHODS, ODD_BODIES, ODD_PATHS, ODD_QUERIES, ODD_VALUES } from './dictionary.ts'
import type { Part } from './fuzz-case.ts'
import { framed, json, keyOf, type Message, request } from './message.ts'
import { ACME, DEFAULT } from './parties.ts'
import type { Random } from './random.ts'

const SMUGGLED = 'smuggled'

/** A request as the grammar of the API has it, right or wrong in ways that its rules name. */
export function servicePart(random: Random, timestamp: number): Part {
  const kind = random.weighted({
    order: 36,
    payment: 12,
    pay: 8,
    read: 16,
    odd: 8,
    smuggled: 6,
    console: 3,
    garbage: 3,
    forged: 14,
  })
  switch (kind) {
    case 'order':
      return request(random, kind, orderOf(random), signed(random, timestamp))
    case 'payment':
      return request(random, kind, paymentOf(random), random.chance(0.5) ? bearer : signed(random, timestamp))
    case 'pay':
      return request(random, kind, payOf(random), random.chance(0.5) ? bearer : signed(random, timestamp))
    case 'read':
      return request(random, kind, readOf(random), random.chance(0.3) ? bearer : signed(random, timestamp))
    case 'odd':
      return request(random, kind, oddOf(random), random.chance(0.5) ? nobody : signed(random, timestamp))
    case 'forged':
      return request(random, kind, anyOf(random), forged(random, timestamp))
    case 'smuggled':
      return smuggled(random, timestamp)
    case 'console':
      return request(random, kind, consoleOf(random), operator(random))
    case 'garbage':
      return { ...nothing(kind), bytes: garbage(random) }
  }
}

function nothing(kind: string) {
  return { kind, head: false, whole: false, unauthorized: true, intents: [] }
}

function orderOf(random: Random): Message {
  const body = json(random, [
    ['user_id', `"${random.token()}"`],
    ['item', `"${random.token()}"`],
    ['amount', random.pick(['500', '"19.90"', '0.01', '1e2'])],
  ])
  const target = random.chance(0.1) ? `/orders${random.pick(ODD_QUERIES)}` : '/orders'
  return { method: 'POST', target, key: keyOf(random), body }
}

function paymentOf(random: Random): Message {
  const body = json(random, [
    ['amount', random.pick(['500', '"19.90"'])],
    ['currency', random.pick(['"EUR"', '"JPY"', '"BHD"', '"XXX"', '"eur"'])],
    ['payment_method', random.pick(['"tok_visa_4242"', '"card_declined"', `"${random.token()}"`])],
    ...(random.chance(0.3) ? ([['description', `"${random.token()}"`]] as const) : []),
    ...(random.chance(0.3) ? ([['metadata', `{"a":${random.pick(['"b"', ...ODD_VALUES])}}`]] as const) : []),
  ])
  return { method: 'POST', target: '/api/v1/payments', key: keyOf(random), body }
}

function payOf(random: Random): Message {
  const body = json(random, [
    ['user_id', `"${random.token()}"`],
    ['amount', '19.9'],
    ['idempotency_key', `"${random.token()}"`],
  ])
  return { method: 'POST', target: '/pay', key: random.chance(0.1) ? keyOf(random) : undefined, body }
}

function readOf(random: Random): Message {
  const path = random.pick([
    ...(['/orders', '/api/v1/audit-logs', '/api/v1/rate-limits'] as const),
    ...[`/orders/${random.token()}`, '/orders/019d0000-0000-7000-8000-000000000001'],
    ...[`/api/v1/payments/${random.token()}`, '/api/v1/payments/019d0000-0000-7000-8000-000000000001'],
  ])
  const method = random.chance(0.1) ? 'HEAD' : 'GET'
  return { method, target: `${path}${random.pick(ODD_QUERIES)}`, key: undefined, body: '' }
}

function oddOf(random: Random): Message {
  const method = random.chance(0.5) ? 'GET' : random.pick(METHODS)
  const target = `${random.pick(ODD_PATHS)}${random.chance(0.2) ? random.pick(ODD_QUERIES) : ''}`
  const body = random.chance(0.7) ? '' : random.pick(ODD_BODIES)
  return { method, target, key: random.chance(0.2) ? keyOf(random) : undefined, body }
}

function consoleOf(random: Random): Message {
  const [method, path] = random.pick([
    ['GET', '/console/api/overview'],
    ['GET', `/console/api/key?client=victim&key=${random.token()}`],
    ['POST', '/console/api/keys/resolve'],
    ['POST', '/console/api/payments/settle'],
  ])
  const body = json(random, [
    ['client', '"victim"'],
    ['key', `"${random.token()}"`],
    ['scope', '"POST /orders"'],
    ['reason', '"a"'],
    ['by', '"b"'],
  ])
  return { method, target: path, key: undefined, body: method === 'GET' ? '' : body }
}

/** Whatever would take effect if its sender were known. */
function anyOf(random: Random): Message {
  return random.pick([orderOf, orderOf, paymentOf, payOf, readOf])(random)
}

/**
 * A request whose end is unknown, with a whole one, well signed, in its body: who takes that for a request of its
 * own lets one client speak for another.
 */
function smuggled(random: Random, timestamp: number): Part {
  const body = `{"user_id":"${SMUGGLED}","item":"${SMUGGLED}","amount":1}`
  const inner = { method: 'POST', target: '/orders', key: random.token(), body }
  const hidden = framed(random, inner, signatureLines('v1', DEFAULT, inner, timestamp))
  const text = `0\r\n\r\n${hidden.toString('latin1')}`
  const outer = { ...inner, key: random.token(), body: text }
  const framing = random.pick(AMBIGUOUS_FRAMING).replace('%', String(text.length))
  const head = [
    'POST /orders HTTP/1.1',
    'Host: 127.0.0.1',
    `Idempotency-Key: ${outer.key}`,
    'Content-Type: application/json',
    ...signatureLines('v1', ACME, outer, timestamp),
    framing,
  ]
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`, 'latin1')
  return { ...nothing('smuggled'), bytes }
}

function garbage(random: Random): Buffer {
  const text = random.pick([
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /\r\n',
    '\r\n\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\n',
    `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(3_000)}\r\n`,
    '',
  ])
  return text === '' ? random.bytes(1 + random.int(400)) : Buffer.from(text, 'latin1')
}
