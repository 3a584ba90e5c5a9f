import { forged, nobody, signed } from './credentials.ts'
import { AMBIGUOUS_FRAMING, METHODS, ODD_BODIES, ODD_PATHS, ODD_QUERIES } from './dictionary.ts'
import type { Part } from './fuzz-case.ts'
import type { Grammar } from './make-case.ts'
import { keyOf, type Message, request } from './message.ts'
import { BROKEN_RESPONSES, SOUND_RESPONSES } from './odd-backend.ts'
import type { Random } from './random.ts'

/** Requests for a sidecar. `verify`: it checks signatures, and some of them are forged. */
export function proxyGrammar(verify: boolean): Grammar {
  return (random, timestamp) => {
    const kind = random.weighted({
      keyed: 45,
      plain: 25,
      odd: 15,
      smuggled: 8,
      forged: verify ? 15 : 0,
      garbage: 2,
    })
    const isForged = kind === 'forged'
    const from = `${isForged ? 'forged-' : ''}${random.token()}`
    const response = random.chance(0.3) ? nameOf(random, BROKEN_RESPONSES) : nameOf(random, SOUND_RESPONSES)
    const asked = [`X-Case: ${from}`, `X-Answer: ${response}`]
    const who = isForged ? forged(random, timestamp) : verify ? signed(random, timestamp) : nobody
    const credentials = (message: Message) => {
      const { lines, ...rest } = who(message)
      return { ...rest, lines: [...asked, ...lines] }
    }
    switch (kind) {
      case 'garbage': {
        const bytes = random.bytes(1 + random.int(400))
        return { kind, bytes, head: false, whole: false, unauthorized: true, intents: [] }
      }
      case 'smuggled':
        return smuggled(random, asked)
      default:
        return request(random, kind, messageOf(random, kind), credentials)
    }
  }
}

function nameOf(random: Random, responses: object): string {
  const [first = '', ...others] = Object.keys(responses)
  return random.pick([first, ...others])
}

function messageOf(random: Random, kind: 'keyed' | 'plain' | 'odd' | 'forged'): Message {
  const isOdd = kind === 'odd'
  const isPlain = kind === 'plain' || (isOdd && random.chance(0.6))
  const body = random.chance(0.2) ? random.pick(ODD_BODIES) : `{"a":"${random.token()}"}`
  return {
    method: isOdd
      ? random.pick(METHODS)
      : random.pick(['POST', 'POST', 'PUT', 'PATCH', 'DELETE', isPlain ? 'HEAD' : 'GET']),
    target: isOdd
      ? `${random.pick(ODD_PATHS)}${random.pick(ODD_QUERIES)}`
      : random.pick(['/charge', '/a/b?c=d', '//x/y', '/%2e%2e/s', '/%00', '/a;b=c']),
    key: isPlain ? undefined : keyOf(random),
    body: isPlain && random.chance(0.5) ? '' : body,
  }
}

/** A request hidden in the body of one whose end is unknown. */
function smuggled(random: Random, asked: string[]): Part {
  const hidden = 'GET /hidden-request HTTP/1.1\r\nHost: a\r\n\r\n'
  const text = `0\r\n\r\n${hidden}`
  const framing = random.pick(AMBIGUOUS_FRAMING).replace('%', String(text.length))
  const head = [
    'POST /charge HTTP/1.1',
    'Host: a',
    ...asked,
    ...(random.chance(0.5) ? [`Idempotency-Key: ${random.token()}`] : []),
    framing,
  ]
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`, 'latin1')
  return { kind: 'smuggled', bytes, head: false, whole: false, unauthorized: true, intents: [] }
}
