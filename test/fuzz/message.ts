import type { Authenticate } from './credentials.ts'
import { ODD_BODIES, ODD_HEADERS, ODD_KEYS, ODD_VALUES } from './dictionary.ts'
import type { Part } from './fuzz-case.ts'
import type { Random } from './random.ts'

export interface Message {
  method: string
  target: string
  key: string | undefined
  body: string
}

/** A JSON object, now and then with something odd in it. */
export function json(random: Random, members: readonly (readonly [string, string])[]): string {
  if (random.chance(0.08)) return random.pick(ODD_BODIES)
  const list = members.map(
    ([name, value]) => `"${name}":${random.chance(0.08) ? random.pick(ODD_VALUES) : value}`,
  )
  if (random.chance(0.05)) list.splice(random.int(list.length), 1)
  if (random.chance(0.05))
    list.push(`"${random.pick(['amount', '__proto__', random.token()])}":${random.pick(ODD_VALUES)}`)
  const space = random.chance(0.1) ? random.pick([' ', '\n', '\t', '\r\n']) : ''
  return `{${list.join(`,${space}`)}}`
}

/** Sometimes one of few, so that retries, conflicts and copies in flight are among the requests. */
export function keyOf(random: Random): string | undefined {
  const how = random.weighted({ own: 70, shared: 12, quoted: 6, odd: 10, none: 2 })
  if (how === 'none') return undefined
  if (how === 'odd') return random.pick(ODD_KEYS)
  if (how === 'shared') return `shared-key-of-all-${random.int(10)}`
  return how === 'quoted' ? `"${random.token()}"` : random.token()
}

/** As the service reads a key: without the white space around it, quotes and escapes. */
export function meaningOf(key: string): string {
  const trimmed = key.replace(/^[\t ]+|[\t ]+$/g, '')
  const [, quoted] = /^"(.*)"$/s.exec(trimmed) ?? []
  return quoted === undefined ? trimmed : quoted.replace(/\\(["\\])/g, '$1')
}

export function request(random: Random, kind: string, message: Message, authenticate: Authenticate): Part {
  const { lines, unauthorized, intents } = authenticate(message)
  const extra = random.chance(0.25) ? [random.pick(ODD_HEADERS)] : []
  const bytes = framed(random, message, [...lines, ...extra])
  // Of these it is unknown how many requests they are, or that they are whole.
  const whole =
    /^[A-Z]+$/.test(message.method) && message.method !== 'CONNECT' && !/[^!-~]/.test(message.target)
  const head = message.method === 'HEAD'
  return {
    kind,
    bytes,
    head,
    whole: whole && !/^(Expect|Transfer|Upgrade|Conn)/m.test(extra.join()),
    unauthorized,
    intents,
  }
}

export function framed(random: Random, { method, target, key, body }: Message, lines: string[]): Buffer {
  const bytes = Buffer.from(body, 'latin1')
  const chunked = bytes.length > 0 && random.chance(0.15)
  const head = [
    `${method} ${target} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...(key === undefined ? [] : [`Idempotency-Key: ${key}`]),
    ...(bytes.length === 0 && random.chance(0.8) ? [] : ['Content-Type: application/json']),
    ...lines,
    ...(chunked ? ['Transfer-Encoding: chunked'] : []),
    ...(!chunked && (bytes.length > 0 || method === 'POST') ? [`Content-Length: ${bytes.length}`] : []),
    ...['', ''],
  ]
  return Buffer.concat([
    Buffer.from(head.join('\r\n'), 'latin1'),
    ...(chunked ? chunks(random, bytes) : [bytes]),
  ])
}

function chunks(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + 1 + random.int(bytes.length))
    const extension = random.chance(0.1) ? ';a=b' : ''
    pieces.push(Buffer.from(`${piece.length.toString(16)}${extension}\r\n`), piece, Buffer.from('\r\n'))
    at += piece.length
  }
  return [...pieces, Buffer.from('0\r\n\r\n')]
}
