/*
 * A payment gateway as a process of its own: node --import tsx test/support/gateway-process.ts PORT LEDGER. It does not
 * deduplicate, and does to three charges in ten what gateways do on a bad day. Says its port when it listens.
 */
import { type Behaviour, countingGateway } from './counting-gateway.ts'

const [port = '0', file = ''] = process.argv.slice(2)

/** Of 100 charges; the others are answered. */
const SHARES: readonly [Behaviour, number][] = [
  ['decline', 8],
  ['reset', 6],
  ['stall', 5],
  ['malformed', 3],
  ['truncated', 3],
  ['fail', 4],
  ['drop', 3],
  ['forget', 2],
  ['late', 2],
  [429, 2],
]

function behave(): Behaviour {
  let draw = Math.random() * 100
  for (const [behaviour, share] of SHARES) {
    draw -= share
    if (draw < 0) return behaviour
  }
  return 'answer'
}

const gateway = await countingGateway({ port: Number(port), file, behave, lateMs: 1_500 })
console.log(`gateway on ${gateway.port}`)
