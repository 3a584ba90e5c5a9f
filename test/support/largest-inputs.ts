import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { newKey } from './order-client.ts'

/** A request as a caller can make it, made anew each time: keys and times are part of it. */
export type Make = () => { method: string; path: string; headers: Record<string, string>; body: string }

export interface LargeInput {
  name: string
  make: Make
  /** The same request with something of this size that means nothing. */
  plain: Make
}

/** With the other headers just below the 16,384 bytes that a server takes. */
const HEADER_BYTES = 14_000
/** Of one member: with the others just below MAX_BODY_BYTES. */
const BODY_BYTES = 65_536 - 300

/** Repeated, they lead every grammar of a header into its loops, and out of them only at the end. */
const UNITS = [' ', ',', '"', '",', 'a;', 'a=1,', '/', '\\"', '(', '-']

/** What a header begins with, so that its grammar reads on. */
const HEADERS: Record<string, readonly string[]> = {
  accept: ['', 'text/html,', 'text/html;', 'application/json;q=1,"', 'a/b;c="'],
  'accept-encoding': ['', 'gzip,', 'gzip;q='],
  'accept-language': [''],
  authorization: ['Bearer ', 'Bearer a', 'Basic ', ''],
  connection: ['', 'keep-alive,'],
  'content-digest': ['', 'sha-256=:', 'sha-256=', 'sha-256=(', 'a;'],
  'content-type': ['', 'application/json;', 'application/json; charset=', 'application/'],
  cookie: ['', 'a=1;'],
  forwarded: ['', 'for=1.2.3.4,'],
  'idempotency-key': ['', '"', 'a'],
  'if-none-match': ['', '"a",', 'W/"'],
  origin: ['', 'http://', 'http://a/'],
  signature: ['sig1=:', 'sig1=', 'a=1,'],
  'signature-input': ['sig1=(', 'sig1=("@method" ', 'sig1=();', 'sig1="', 'a=1,'],
  traceparent: [
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-',
  ],
  tracestate: ['', 'a=', 'a@b=1,'],
  upgrade: ['', 'websocket,'],
  via: ['', '1.1 oncekey,'],
  'x-client-id': ['', 'default'],
  'x-forwarded-for': ['', '1.2.3.4,', '[::1'],
  'x-forwarded-host': [''],
  'x-forwarded-proto': ['', 'https,'],
  'x-idempotency-key': ['', '"'],
  'x-request-id': [''],
  'x-signature': ['', 't=1,v1=', 't=1', '"'],
}
/** `traceparent` is of no use without it, and so on. */
const TOGETHER: Record<string, Record<string, string>> = {
  tracestate: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
  'signature-input': { Signature: `sig1=:${'A'.repeat(43)}=:` },
  signature: { 'Signature-Input': 'sig1=("@method" "@path" "content-digest");created=1;keyid="default"' },
}

function filled(prefix: string, unit: string, bytes: number, suffix = '\u00ff'): string {
  return prefix + unit.repeat(Math.floor((bytes - prefix.length - suffix.length) / unit.length)) + suffix
}

const ORDER = '{"user_id":"user-1","item":"book","amount":500}'

function signed(path: string, body: string, more: Record<string, string> = {}): ReturnType<Make> {
  const timestamp = Math.floor(Date.now() / 1000)
  const unsigned = { method: 'POST', target: path, client: 'default', key: newKey(), body, timestamp }
  const headers = Object.fromEntries(signedHeaders('v1', 'super-secret-key', unsigned))
  return { method: 'POST', path, body, headers: { 'Content-Type': 'application/json', ...headers, ...more } }
}

/** Each header that is read, with each filling, on a signed order. */
export function largeHeaders(): LargeInput[] {
  return Object.entries(HEADERS).flatMap(([header, prefixes]) => {
    const with_ = (value: string) => (): ReturnType<Make> => {
      const order = signed('/orders', ORDER)
      for (const name of Object.keys(order.headers)) {
        const isOther = header.startsWith('signature') && name === 'X-Signature'
        if (name.toLowerCase() === header || isOther) delete order.headers[name]
      }
      return { ...order, headers: { ...order.headers, ...TOGETHER[header], [header]: value } }
    }
    const plain = with_(filled('', 'a', HEADER_BYTES, 'a'))
    return prefixes.flatMap((prefix) =>
      UNITS.map((unit) => ({
        name: `${header}: ${prefix}${JSON.stringify(unit)}…`,
        make: with_(filled(prefix, unit, HEADER_BYTES)),
        plain,
      })),
    )
  })
}

/** Each place of a request target that is read. */
export function largeTargets(): LargeInput[] {
  const with_ = (path: string) => (): ReturnType<Make> => {
    const { headers } = signed(path, '')
    return { method: 'GET', path, headers: { ...headers, Authorization: 'Bearer test-api-key' }, body: '' }
  }
  const units = [
    '/',
    '//',
    '/a',
    '%2f',
    '%',
    '?',
    '?a',
    '&',
    'a&',
    'a=1&',
    '=',
    '+',
    ';',
    '.',
    '/..',
    '-',
    '0',
    '*',
    '[]=&',
  ]
  return [
    '/orders/',
    '/orders?limit=',
    '/orders?cursor=',
    '/api/v1/payments/',
    '/api/v1/audit-logs?cursor=',
    '/problems/',
    '/docs/',
    '/console/',
    '/',
  ].flatMap((prefix) =>
    units.map((unit) => ({
      name: `GET ${prefix}${unit}…`,
      make: with_(filled(prefix, unit, HEADER_BYTES, '~')),
      plain: with_(filled(prefix, 'a', HEADER_BYTES, 'a')),
    })),
  )
}

const PLAIN = 'flat numbers'
/** What each member of a body can be filled with. */
const VALUES: Record<string, string> = {
  [PLAIN]: fill('[', '1,', '1]'),
  'numbers below 60 long names': fill(`${`{"${'n'.repeat(20)}":`.repeat(60)}[`, '1,', `1]${'}'.repeat(60)}`),
  'empty objects': fill('[', '{},', '{}]'),
  members: fill('{', (n) => `"m${n}":1,`, '"":1}'),
  'members in escapes': fill('{', (n) => `"\\u0041${n}":"",`, '"":1}'),
  'a string of escapes': fill('"', '\\"', '"'),
  'a string of astral characters': fill('"', '\\ud83d\\ude00', '"'),
  'a string of slashes': fill('"', '/', '\u007f"'),
  'a string of digits': fill('"', '1', 'x"'),
  'a number of many digits': fill('1', '1', '1'),
  'a number with a long exponent': fill('1e', '0', '1'),
}

function fill(head: string, unit: string | ((n: number) => string), tail: string): string {
  const parts = [head]
  let length = head.length + tail.length
  for (let n = 0; ; n++) {
    const part = typeof unit === 'string' ? unit : unit(n)
    length += part.length
    if (length > BODY_BYTES) return parts.join('') + tail
    parts.push(part)
  }
}

const CONTENT = { status: '200', contentType: '"a/b"', body: '""' }
const RESOLUTION = { client: '"c"', scope: '"s"', key: '"k"', seen: '"s"', by: '"b"', reason: '"r"' }
const PAYMENT = {
  amount: '1',
  currency: '"EUR"',
  payment_method: '"card"',
  description: '"d"',
  metadata: '{}',
}

const text = (members: object) =>
  `{${Object.entries(members)
    .map(([name, value]) => `"${name}":${value}`)
    .join()}}`
const post = (path: string, more: Record<string, string>) => (body: string) => ({
  method: 'POST',
  path,
  body,
  headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `${newKey()}-0000`, ...more },
})
const resolve = post('/console/api/keys/resolve', { Authorization: 'Bearer operator' })

/** Where bodies are read: the members of each, and how it is sent. */
const BODIES: [route: string, members: Record<string, string>, send: (body: string) => ReturnType<Make>][] = [
  ['/orders', { user_id: '"u"', item: '"i"', amount: '1' }, (body) => signed('/orders', body)],
  ['/api/v1/payments', PAYMENT, post('/api/v1/payments', { Authorization: 'Bearer test-api-key' })],
  ['/pay', { user_id: '"u"', amount: '1', idempotency_key: '"k"' }, post('/pay', {})],
  ['/console resolve', RESOLUTION, resolve],
  ['/console resolve response', CONTENT, (body) => resolve(text({ ...RESOLUTION, response: body }))],
]

/** Each member of each body, and one that no body has, with each value. */
export function largeBodies(): LargeInput[] {
  return BODIES.flatMap(([route, members, send]) => {
    const plain = text({ ...members, x: VALUES[PLAIN] })
    return [...Object.keys(members), 'x'].flatMap((member) =>
      Object.entries(VALUES)
        .filter(([what]) => what !== PLAIN)
        .map(([what, value]) => {
          const body = text({ ...members, [member]: value })
          return {
            name: `POST ${route} ${member}: ${what}`,
            make: () => send(body),
            plain: () => send(plain),
          }
        }),
    )
  })
}
