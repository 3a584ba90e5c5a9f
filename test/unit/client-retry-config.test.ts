import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type ClientSettings, createClient, ProblemError } from '../../src/client.ts'
import { recommendedRetry } from '../../src/service/retry-config.ts'
import {
  type Arrived,
  created,
  cutBeforeResponse,
  problem,
  respond,
  type Step,
  scriptedServer,
  silence,
} from '../support/scripted-server.ts'

const INPUT = { user_id: 'user-1', item: 'book', amount: 500 }
const PATH = '/api/v1/retry-config'
/** Every value differs from the defaults. */
const OWN = {
  ...recommendedRetry(),
  max_attempts: 3,
  base_delay_ms: 1_000,
  max_delay_ms: 1_500,
  attempt_timeout_ms: 20_000,
  deadline_ms: 40_000,
  retry_on: { statuses: [418], codes: ['network_error', 'of_our_own'] },
}

const config = (value: unknown): Step =>
  respond(200, JSON.stringify(value), { 'Content-Type': 'application/json' })

interface World {
  client: ReturnType<typeof createClient>
  clock: { ms: number }
  waits: number[]
  configs: Arrived[]
  orders: Arrived[]
}

/** A client with `retry: 'service'` and the longest waits, and a server with a script for each of the two routes. */
async function partner(
  t: TestContext,
  script: { config: Step[]; orders: Step[] },
  options: Partial<ClientSettings> = {},
): Promise<World> {
  const configs: Arrived[] = []
  const orders: Arrived[] = []
  const { url } = await scriptedServer(t, (response, request) => {
    const [steps, arrived] =
      request.target === `/base${PATH}` ? [script.config, configs] : [script.orders, orders]
    const step = steps[Math.min(arrived.push(request), steps.length) - 1]
    step?.(response, request)
  })
  const clock = { ms: 1_767_225_600_000 }
  const waits: number[] = []
  const client = createClient({
    baseUrl: `${url}/base`,
    secret: 'hush',
    retry: 'service',
    now: () => clock.ms,
    random: () => 1,
    async sleep(ms) {
      waits.push(ms)
      clock.ms += ms
    },
    ...options,
  })
  return { client, clock, waits, configs, orders }
}

test('the recommendation of the service equals the defaults of the client', async (t) => {
  const script = { config: [config(recommendedRetry())], orders: [problem(503, 'circuit_open')] }
  const [byService, byDefault] = await Promise.all([partner(t, script), partner(t, script, { retry: {} })])
  for (const { client } of [byService, byDefault])
    await assert.rejects(client.orders.create(INPUT), ProblemError)
  assert.deepEqual(byService.waits, byDefault.waits)
  assert.deepEqual(byService.waits, recommendedRetry().example_delays_ms)
  assert.equal(byDefault.configs.length, 0)
})

test('the recommendation is read once, with the first request, without credentials', async (t) => {
  const { client, configs, orders } = await partner(t, { config: [config(OWN)], orders: [created()] })
  assert.equal(configs.length, 0)
  await Promise.all([client.orders.create(INPUT), client.orders.create(INPUT)])
  await client.orders.create(INPUT)
  assert.equal(configs.length, 1)
  assert.equal(orders.length, 3)
  const names = Object.keys(configs[0]?.headers ?? {})
  for (const name of ['authorization', 'x-signature', 'x-client-id']) assert.ok(!names.includes(name))
})

describe('the recommendation is followed', () => {
  test('for delays, attempts, statuses and codes', async (t) => {
    const { client, waits, orders } = await partner(t, {
      config: [config(OWN)],
      orders: [
        problem(418, 'teapot'),
        problem(400, 'of_our_own', { retry_after_ms: 7_000 }),
        cutBeforeResponse,
        problem(503, 'circuit_open'),
      ],
    })
    await assert.rejects(client.orders.create(INPUT), {
      code: 'network_error',
      gaveUp: 'attempts',
      attempts: 3,
    })
    assert.deepEqual(waits, [1_000, 8_500])
    await assert.rejects(client.orders.create(INPUT), { code: 'circuit_open', gaveUp: 'not retryable' })
    assert.equal(orders.length, 4)
  })

  test('for the deadline', async (t) => {
    const { client } = await partner(t, {
      config: [config(OWN)],
      orders: [problem(418, 'teapot', { retry_after_ms: 39_500 })],
    })
    await assert.rejects(client.orders.create(INPUT), { code: 'teapot', gaveUp: 'deadline', attempts: 1 })
  })

  test('for the timeout of an attempt', async (t) => {
    const { client } = await partner(t, {
      config: [config({ ...OWN, attempt_timeout_ms: 50, max_attempts: 1 })],
      orders: [silence],
    })
    await assert.rejects(client.orders.create(INPUT), { code: 'timeout' })
  })
})

describe('the defaults are used if the service', () => {
  const bad: [string, Step][] = [
    ['has no such route', problem(404, 'not_found')],
    ['is not there', cutBeforeResponse],
    ['responds with something else', respond(200, '<html>', { 'Content-Type': 'text/html' })],
    ['leaves something out', config({ ...OWN, max_delay_ms: undefined })],
    ['gives no numbers', config({ ...OWN, base_delay_ms: '200' })],
    ['gives numbers that cannot be', config({ ...OWN, max_attempts: 0 })],
    ['asks for negative delays', config({ ...OWN, base_delay_ms: -1 })],
    ['lists no statuses', config({ ...OWN, retry_on: { statuses: ['503'], codes: [] } })],
    ['has another jitter', config({ ...OWN, jitter: 'none' })],
    ['has another multiplier', config({ ...OWN, multiplier: 3 })],
    ['wants Retry-After disregarded', config({ ...OWN, honour_retry_after: false })],
  ]
  for (const [what, step] of bad) {
    test(what, async (t) => {
      const { client, waits, orders } = await partner(t, {
        config: [step],
        orders: [problem(503, 'circuit_open'), created()],
      })
      await client.orders.create(INPUT)
      assert.deepEqual(waits, [200])
      assert.equal(orders.length, 2)
    })
  }
})

test('after a failed read the next read is a minute later', async (t) => {
  const { client, clock, configs, waits } = await partner(t, {
    config: [problem(503, 'shutting_down'), config(OWN)],
    orders: [created(), created(), created(), problem(418, 'teapot'), created()],
  })
  await client.orders.create(INPUT)
  clock.ms += 59_999
  await client.orders.create(INPUT)
  assert.equal(configs.length, 1)
  clock.ms += 1
  await client.orders.create(INPUT)
  assert.equal(configs.length, 2)
  clock.ms += 600_000
  await client.orders.create(INPUT)
  assert.equal(configs.length, 2)
  assert.deepEqual(waits, [1_000])
})

test('an aborted request does not wait for the recommendation', { timeout: 10_000 }, async (t) => {
  const { client, orders } = await partner(t, { config: [silence], orders: [created()] })
  const caller = new AbortController()
  const sent = client.orders.create(INPUT, { signal: caller.signal })
  caller.abort(new Error('enough'))
  await assert.rejects(sent, { code: 'aborted', attempts: 0, effect: 'none' })
  assert.equal(orders.length, 0)
})

test('a service that does not respond delays the first request by seconds, then the defaults are used', async (t) => {
  const { client, orders } = await partner(t, { config: [silence], orders: [created()] })
  await client.orders.create(INPUT)
  assert.equal(orders.length, 1)
})

test('retryConfig() returns the recommendation, signed and retried like any request', async (t) => {
  const { client, configs } = await partner(
    t,
    { config: [cutBeforeResponse, config(OWN)], orders: [] },
    { retry: {} },
  )
  const { config: read, attempts } = await client.retryConfig()
  assert.deepEqual(read, JSON.parse(JSON.stringify(OWN)))
  assert.equal(attempts, 2)
  assert.equal(configs.length, 2)
})
