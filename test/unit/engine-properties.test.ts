import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type HandlerResult, IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import { ModelKeys } from '../simulation/model-keys.ts'

const EFFECTS = ['completed', 'not_executed', 'unknown', 'throws'] as const
const request = fc.record({
  client: fc.constantFrom('acme', 'globex'),
  key: fc.constantFrom('one', 'two'),
  fingerprint: fc.constantFrom('a'.repeat(64), 'b'.repeat(64)),
  effect: fc.constantFrom(...EFFECTS),
})

/** What the rules say of a key, in as few words as there are. */
type Standing = { fingerprint: string } & ({ response: string } | { attempts: number } | { held: true })

for (const onUnknown of ['takeover', 'hold'] as const) {
  test(`${onUnknown}: any sequence of requests gets a response as the rules say`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
        const store = new ModelKeys(Date.now).store(3_600_000)
        const engine = new IdempotencyEngine({ store, leaseMs: 60_000, maxAgeMs: 60_000, onUnknown })
        const standings = new Map<string, Standing>()
        for (const [n, { client, key, fingerprint, effect }] of requests.entries()) {
          const name = `${client} ${key}`
          const before = standings.get(name)
          let attempt: number | undefined
          const handle = async (holding: { attempt: number }): Promise<HandlerResult> => {
            attempt = holding.attempt
            if (effect === 'throws') throw new Error(`thrown by ${n}`)
            return {
              response: { status: 200, headers: {}, body: Buffer.from(`${n}`) },
              outcome: effect === 'unknown' ? { unknown: 'not_told' } : effect,
              replayed: false,
            }
          }
          const outcome = await engine.run({ client, scope: 'POST /x', key }, fingerprint, handle).then(
            ({ response, replayed }) => `${replayed ? 'replay ' : ''}${response.body.toString()}`,
            (error: unknown) => (error instanceof ServiceError ? error.code : String(error)),
          )
          const [expected, expectedAttempt] = expectation(before, fingerprint, effect, n)
          assert.equal(outcome, expected)
          assert.equal(attempt, expectedAttempt)
          if (expectedAttempt === undefined) continue
          if (effect === 'completed') standings.set(name, { fingerprint, response: `${n}` })
          else if (effect === 'not_executed') standings.delete(name)
          else if (onUnknown === 'hold') standings.set(name, { fingerprint, held: true })
          else standings.set(name, { fingerprint, attempts: expectedAttempt })
        }
      }),
      { numRuns: 300 },
    )
  })
}

/** The outcome, and the number of the attempt that runs, if one does. */
function expectation(
  before: Standing | undefined,
  fingerprint: string,
  effect: (typeof EFFECTS)[number],
  n: number,
): [string, number | undefined] {
  if (before !== undefined && before.fingerprint !== fingerprint) return ['idempotency_key_reused', undefined]
  if (before !== undefined && 'response' in before) return [`replay ${before.response}`, undefined]
  if (before !== undefined && 'held' in before) return ['outcome_unknown', undefined]
  const outcome = effect === 'throws' ? `Error: thrown by ${n}` : `${n}`
  return [outcome, (before?.attempts ?? 0) + 1]
}

test('of any number of copies at once one runs, and every other replays it or is told to wait', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(3), { minLength: 2, maxLength: 20 }), async (delays) => {
      const store = new ModelKeys(Date.now).store(3_600_000)
      const engines = [0, 1].map(
        () => new IdempotencyEngine({ store, leaseMs: 60_000, maxAgeMs: 60_000, onUnknown: 'takeover' }),
      )
      let runs = 0
      const outcomes = await Promise.all(
        delays.map(async (turns, n) => {
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
          const run = engines[n % 2]?.run(
            { client: 'acme', scope: 'x', key: 'k' },
            'a'.repeat(64),
            async () => {
              runs++
              await new Promise((resolve) => setImmediate(resolve))
              return {
                response: { status: 200, headers: {}, body: Buffer.from('once') },
                outcome: 'completed',
                replayed: false,
              }
            },
          )
          return await run?.then(
            ({ response }) => response.body.toString(),
            (error: unknown) => (error instanceof ServiceError ? error.code : String(error)),
          )
        }),
      )
      assert.equal(runs, 1)
      for (const outcome of outcomes)
        assert.ok(outcome === 'once' || outcome === 'request_in_progress', outcome)
    }),
    { numRuns: 100 },
  )
})
