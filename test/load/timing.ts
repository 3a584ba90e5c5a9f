/*
 * npm run test:timing [ROUNDS]: does the time of a response tell which clients, or which API keys, exist? Sends requests
 * of two kinds by turns, in an order that is drawn for each round, over one kept connection, and compares their times:
 * medians and quartiles, the difference of the medians with a 99 % interval (bootstrap), Welch's t. Exit code 1 if the
 * responses differ in a byte, or if the medians differ for certain by more than 5 µs: far below what a network lets through.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { signedOrder, v1 } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { medianDifference, quantile, welch } from '../support/two-samples.ts'

const ROUNDS = Number(process.argv[2] ?? 6_000)
const WARM_UP_ROUNDS = 1_000
const TELLING_US = 5
const REREAD_MS = 3_000

const directory = mkdtempSync(join(tmpdir(), 'oncekey-timing-'))
const CLIENTS_FILE = join(directory, 'clients.json')
const known = { client: 'acme', secret: 'the-secret-of-acme' }
const clients = {
  acme: { secrets: [known.secret] },
  rotating: { secrets: ['the-first-of-three', 'the-second-of-three', 'the-third-of-three'] },
}
const gone = { client: 'gone', secret: 'the-secret-of-gone' }
writeFileSync(CLIENTS_FILE, JSON.stringify({ ...clients, gone: { secrets: [gone.secret] } }))
const API_KEY = 'k3yThatNobodyKnowsButUs0123456789'
const world = await startServiceOnDatabase({
  RATE_LIMITS: 'none',
  CLIENTS_FILE,
  API_KEYS: `ann:${API_KEY}`,
  LOG_FILE: '/dev/null',
})
// Revoked: it was known, and is not any more once the file has been read again.
writeFileSync(CLIENTS_FILE, JSON.stringify(clients))
await sleep(REREAD_MS)
const socket = connect(world.port, '127.0.0.1').setNoDelay(true)

const order = (client: string, secret: string) =>
  signedOrder({ client, secret, key: 'the-same-key', headers: ['X-Request-Id: the-same'] })
const bearer = (key: string) =>
  Buffer.from(
    `GET /api/v1/rate-limits HTTP/1.1\r\nHost: a\r\nX-Request-Id: the-same\r\nAuthorization: Bearer ${key}\r\n\r\n`,
  )
const flipped = (text: string, at: number) => `${text.slice(0, at)}_${text.slice(at + 1)}`

/** A signature that is right but for its first, or its last, byte: what a comparison that ends early would tell apart. */
function nearly(end: 'first' | 'last'): Buffer {
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = v1({ ...known, key: 'the-same-key', timestamp })
  const at = end === 'first' ? signature.length - 64 : signature.length - 1
  const other = signature[at] === '0' ? '1' : '0'
  return signedOrder({
    ...known,
    key: 'the-same-key',
    timestamp,
    headers: ['X-Request-Id: the-same'],
    signature: `${signature.slice(0, at)}${other}${signature.slice(at + 1)}`,
  })
}

type Kind = [name: string, request: () => Buffer]
const wrong: Kind = ['wrong signature of a known client', () => order('acme', 'not-its-secret')]
const PAIRS: [Kind, Kind][] = [
  [['unknown client', () => order('acmf', 'not-its-secret')], wrong],
  [['revoked client with its right secret', () => order(gone.client, gone.secret)], wrong],
  [['client with three secrets', () => order('rotating', 'not-one-of-them')], wrong],
  [
    ['first byte of the signature wrong', () => nearly('first')],
    ['last byte wrong', () => nearly('last')],
  ],
  [
    ['API key that is nothing like one', () => bearer('x'.repeat(API_KEY.length))],
    ['API key but for its last character', () => bearer(flipped(API_KEY, API_KEY.length - 1))],
  ],
]

console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}`,
)
console.log(
  `${ROUNDS} requests of each kind; times in microseconds, from the first byte sent to the whole response\n`,
)
let told = false
for (const [a, b] of PAIRS) told = (await compare(a, b)) || told
socket.destroy()
await world.close()
rmSync(directory, { recursive: true })
process.exit(told ? 1 : 0)

async function compare([nameA, a]: Kind, [nameB, b]: Kind): Promise<boolean> {
  const times: [number[], number[]] = [[], []]
  const responses = new Set<string>()
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const turns = Math.random() < 0.5 ? ([0, 1] as const) : ([1, 0] as const)
    for (const turn of turns) {
      // Made before the clock starts.
      const bytes = turn === 0 ? a() : b()
      const { us, text } = await timed(bytes)
      if (round < 0) responses.add(text.replace(/^Date: .*$/m, ''))
      else times[turn].push(us)
    }
  }
  const { difference, from, to } = medianDifference(times[0], times[1])
  const { t, p } = welch(trimmed(times[0]), trimmed(times[1]))
  for (const [name, list] of [
    [nameA, times[0]],
    [nameB, times[1]],
  ] as const) {
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(list, share).toFixed(1))
    console.log(`${name.padEnd(40)} median ${middle}, quartiles ${low} to ${high}`)
  }
  console.log(
    `  difference of the medians ${difference.toFixed(2)} µs, 99 % interval ${from.toFixed(2)} to ${to.toFixed(2)}; ` +
      `Welch's t ${t.toFixed(2)}, p ${p.toFixed(3)}; responses ${responses.size === 1 ? 'the same in every byte' : 'DIFFER'}\n`,
  )
  return responses.size !== 1 || from > TELLING_US || to < -TELLING_US
}

/** Without the slowest twentieth: what the machine did meanwhile. */
function trimmed(list: readonly number[]): number[] {
  return [...list].sort((a, b) => a - b).slice(0, Math.floor(list.length * 0.95))
}

function timed(bytes: Buffer): Promise<{ us: number; text: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const startedUs = performance.now() * 1_000
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const [, length] = /\r\nContent-Length: (\d+)\r\n/i.exec(text) ?? []
      if (length === undefined || text.length < text.indexOf('\r\n\r\n') + 4 + Number(length)) return
      const us = performance.now() * 1_000 - startedUs
      socket.off('data', onData)
      if (text.startsWith('HTTP/1.1 401 ')) resolve({ us, text })
      else reject(new Error(`it was not refused: ${text}`))
    }
    socket.on('data', onData)
    socket.write(bytes)
  })
}
