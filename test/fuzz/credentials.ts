import { createHmac } from 'node:crypto'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { v1 } from '../support/raw-order.ts'
import type { Intent } from './fuzz-case.ts'
import { type Message, meaningOf } from './message.ts'
import { ACME, DEFAULT, OPERATOR_TOKEN, PAYER, type Signer, STRICT, VICTIM, VICTIM_PAYER } from './parties.ts'
import type { Random } from './random.ts'

/** Header lines that say who sends a message, and what it may bring about. */
interface Credentials {
  lines: string[]
  unauthorized: boolean
  intents: Intent[]
}

export type Authenticate = (message: Message) => Credentials

export const nobody: Authenticate = () => ({ lines: [], unauthorized: false, intents: [] })

export const bearer: Authenticate = ({ body }) => ({
  lines: [`Authorization: Bearer ${PAYER.key}`],
  unauthorized: false,
  intents: [{ client: PAYER.user, key: undefined, body }],
})

export function signed(random: Random, timestamp: number): Authenticate {
  const signer = random.pick([DEFAULT, ACME, STRICT])
  const scheme = random.weighted({ v1: 6, v0: 2, rfc9421: 3 })
  return (message) => ({
    lines: signatureLines(scheme, signer, message, timestamp),
    unauthorized: false,
    intents: [
      {
        client: signer.client ?? 'default',
        key: scheme === 'v0' ? undefined : meaningOf(message.key ?? ''),
        body: message.body,
      },
    ],
  })
}

export function signatureLines(
  scheme: 'v0' | 'v1' | 'rfc9421',
  { client, secret }: Signer,
  { method, target, key, body }: Message,
  timestamp: number,
): string[] {
  const bytes = Buffer.from(body, 'latin1')
  const own = client === undefined ? [] : [`X-Client-Id: ${client}`]
  if (scheme === 'v0') {
    return [...own, `X-Signature: ${createHmac('sha256', secret).update(bytes).digest('hex')}`]
  }
  if (scheme === 'v1' || !/^[!-~]*$/.test(`${method}${target}${key ?? ''}`)) {
    return [...own, `X-Signature: ${v1({ method, target, client, secret, key, body: bytes, timestamp })}`]
  }
  const request = { method, target, client: client ?? 'default', key: key ?? '', body: bytes, timestamp }
  return signedHeaders('rfc9421', secret, request)
    .filter(([name]) => name !== 'Idempotency-Key')
    .map(([name, value]) => `${name}: ${value}`)
}

/** Of an attacker, who has no secret: each must be refused, and must leave no trace. */
export function forged(random: Random, timestamp: number): Authenticate {
  const guess = random.bytes(32).toString('hex')
  const known = () => [`X-Client-Id: ${VICTIM.client}`]
  const signer = { client: VICTIM.client, secret: random.pick([ACME.secret, DEFAULT.secret, '', guess]) }
  const right = (message: Message, at = timestamp) => signatureLines('v1', VICTIM, message, at)
  /** Without its last two digits, or with two others there, so that no mutation makes it right by chance. */
  const edited = (edit: (cut: string, others: string) => string) => (message: Message) => {
    const signature = (right(message)[1] ?? '').slice('X-Signature: '.length)
    const others = signature.slice(-2).replaceAll(/./g, (digit) => (digit === '0' ? '1' : '0'))
    return [...known(), `X-Signature: ${edit(signature.slice(0, -2), others)}`]
  }
  const nearly = `${VICTIM_PAYER.key.slice(1, -1)}`
  const lines = random.pick<(message: Message) => string[]>([
    () => [...known(), 'X-Signature: '],
    () => [...known(), `X-Signature: ${guess}`],
    () => [...known(), `X-Signature: t=${timestamp},v1=${guess},v1=${guess}`],
    () => [`X-Client-Id: ${random.token()}`, `X-Signature: t=${timestamp},v1=${guess}`],
    (message) => signatureLines('v1', signer, message, timestamp),
    (message) => signatureLines('v0', { client: VICTIM.client, secret: guess }, message, timestamp),
    (message) => signatureLines('rfc9421', signer, message, timestamp),
    (message) => right({ ...message, body: `${message.body}{}` }),
    (message) => right({ ...message, target: `${message.target}?a=bc` }),
    (message) => right({ ...message, method: `${message.method}PUT` }),
    (message) => right({ ...message, key: `${message.key ?? ''}-other` }),
    (message) => right(message, timestamp - random.pick([301, 302, 1_000_000, timestamp])),
    (message) => right(message, random.pick([timestamp + 320, timestamp * 1_000, 9_999_999_999])),
    edited((cut) => cut),
    edited((cut) => `${cut}${random.pick(['000', 'zz', ',', ';'])}`),
    edited((cut, others) => `${cut}${others}${random.pick(['', ',v1=', ',t=1', ' x'])}`),
    edited((cut) => cut.replace(/t=\d+/, random.pick(['t=NaN', 't=-1', 't=', 't=1e9', 't=\xb2']))),
    edited(
      (cut, others) => `${cut.replace(/v1=/, random.pick(['v0=', 'v2=', 'V1=', 'v1=0x', 'v1= ']))}${others}`,
    ),
    edited((cut, others) => `${cut.replace(/t=\d+,/, '')}${others}`),
    ...[nearly, `${nearly}x`, nearly.toUpperCase(), guess].map((key) => () => [
      `Authorization: Bearer ${key}`,
    ]),
    ...['Bearer', 'Bearer ', 'bearer  =', 'Bearer \xff', '', `Basic ${guess}`, 'Bearer a, Bearer b'].map(
      (value) => () => [`Authorization: ${value}`],
    ),
    () => [`X-Api-Key: ${VICTIM_PAYER.key}`, `X-Signature: ${guess}`],
  ])
  return (message) => ({ lines: lines(message), unauthorized: true, intents: [] })
}

/** Nearly the operator's. */
export function operator(random: Random): Authenticate {
  const token = random.pick([OPERATOR_TOKEN.slice(1, -1), `x${OPERATOR_TOKEN}x`, random.token(), ''])
  return () => ({
    lines: [`Authorization: Bearer ${token}`],
    unauthorized: true,
    intents: [],
  })
}
