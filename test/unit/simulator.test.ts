import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Ledger } from '../../src/tools/simulator/ledger.ts'
import type { Attempt, Outcome } from '../../src/tools/simulator/losing-fetch.ts'
import { clientName, planOf } from '../../src/tools/simulator/plan.ts'
import { showProgress } from '../../src/tools/simulator/progress.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { readSettings } from '../../src/tools/simulator/settings.ts'
import { type Call, newRun } from '../../src/tools/simulator/simulation.ts'
import { percentile, rowOf } from '../../src/tools/simulator/summary.ts'
import { timelineSvg } from '../../src/tools/simulator/timeline.ts'

const SETTINGS = { seed: 's', duplicates: 0.5, failure: 0.3 }

function call(client: string, number: number, copy: number, ...outcomes: Outcome[]): Call {
  const attempts = outcomes.map(
    (outcome, n): Attempt => ({
      startMs: n * 100,
      endMs: n * 100 + 10 + n,
      outcome,
      status: outcome === 'lost' ? 0 : 201,
    }),
  )
  return { client, number, copy, key: `${client}-${number}`, attempts, gaveUp: false }
}

describe('what is sent', () => {
  test('is the same for the same seed, and another one for another seed', () => {
    const plans = (seed: string) =>
      Array.from({ length: 50 }, (_, n) => planOf({ ...SETTINGS, seed }, 'A', n + 1))
    assert.deepEqual(plans('one'), plans('one'))
    const keys = [...plans('one'), ...plans('two')].map(({ key }) => key)
    assert.equal(new Set(keys).size, 100)
    assert.notDeepEqual(
      plans('one').map(({ input }) => input),
      plans('two').map(({ input }) => input),
    )
  })

  test('is lost and sent twice about as often as the options say, and losses do not change the orders', () => {
    const plans = Array.from({ length: 2_000 }, (_, n) => planOf(SETTINGS, 'B', n))
    const losses = plans.flatMap(({ copies }) => copies.flatMap((copy) => copy.losses))
    const lost = losses.filter((loss) => loss !== undefined)
    assert.ok(Math.abs(lost.length / losses.length - 0.3) < 0.03)
    assert.ok(Math.abs(lost.filter(({ how }) => how === 'drop').length / lost.length - 0.5) < 0.03)
    assert.ok(Math.abs(plans.filter(({ copies }) => copies.length === 2).length / 2_000 - 0.5) < 0.05)
    const calm = planOf({ ...SETTINGS, failure: 0, duplicates: 0 }, 'B', 7)
    assert.deepEqual(calm.input, plans[7]?.input)
    assert.equal(calm.copies.length, 1)
    assert.ok(calm.copies[0]?.losses.every((loss) => loss === undefined))
  })

  test('is drawn from numbers that fill their range evenly', () => {
    const random = seeded('x')
    const tenths = Array.from({ length: 10 }, () => 0)
    for (let n = 0; n < 10_000; n++) {
      const tenth = Math.floor(random() * 10)
      tenths[tenth] = (tenths[tenth] ?? 0) + 1
    }
    for (const count of tenths) assert.ok(count > 850 && count < 1_150, tenths.join())
  })
})

test('clients are named like columns of a sheet', () => {
  assert.deepEqual([0, 25, 26, 51, 52, 199].map(clientName), ['A', 'Z', 'AA', 'AZ', 'BA', 'GR'])
})

test('a key may have one first response, in whatever order the responses to its copies arrive', () => {
  const plan = planOf(SETTINGS, 'A', 1)
  const { key } = plan
  const ledger = new Ledger()
  ledger.sent(plan)
  const response = {
    status: 201,
    contentType: null,
    location: null,
    body: new Uint8Array([1]),
    replayed: false,
  }
  ledger.answered(key, { ...response, replayed: true })
  ledger.answered(key, response)
  assert.deepEqual(ledger.violations, [])
  ledger.answered(key, response)
  assert.deepEqual(
    ledger.violations.map(({ what }) => what),
    ['executed twice'],
  )
})

test('every attempt is in one column of the table, and lost ones have no time', () => {
  const calls = [
    call('A', 1, 1, 'lost', 'limited', 'in progress', 'replayed'),
    call('A', 1, 2, 'failed', 'fresh'),
    call('A', 2, 1, 'fresh'),
  ]
  assert.deepEqual(rowOf('A', calls), {
    client: 'A',
    requests: 2,
    sent: 7,
    fresh: 2,
    replayed: 1,
    inProgress: 1,
    limited: 1,
    lost: 1,
    failed: 1,
    retries: 4,
    gaveUp: 0,
    p50Ms: 11,
    p99Ms: 13,
  })
})

test('a percentile is one of the values', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1)
  assert.deepEqual([percentile(hundred, 0.5), percentile(hundred, 0.99)], [50, 99])
  assert.deepEqual([percentile([7], 0.5), percentile([7], 0.99), percentile([], 0.5)], [7, 7, null])
})

describe('settings', () => {
  const read = (given: Record<string, string>) => readSettings(given, () => 'new')

  test('fit demo mode without any', () => {
    const { url, client, secret, seed, clients, requests } = read({})
    assert.deepEqual(
      { url, client, secret, seed },
      {
        url: 'http://127.0.0.1:8080',
        client: 'default',
        secret: 'super-secret-key',
        seed: 'new',
      },
    )
    assert.ok(clients * requests <= 10, 'the first responses fit the limit of demo mode')
  })

  test('that are wrong are named with their value, but never the secret', () => {
    for (const [name, value, rule] of [
      ['clients', '0', 'from 1 to 200'],
      ['clients', '2.5', 'whole number'],
      ['failure', '1', 'from 0 to 0.9'],
      ['duplicates', '1.1', 'from 0 to 1'],
      ['duration', '5', 'duration like'],
      ['duration', '2h', 'from 1ms to 1h'],
      ['url', 'localhost', 'http or https'],
      ['seed', 'a b', 'characters'],
      ['plot', 'x.png', '.svg'],
      ['rate', 'fast', 'number'],
      ['requests', '99999', '--clients 3'],
    ] as const) {
      assert.throws(
        () => read({ [name]: value }),
        (error: Error) =>
          error.constructor === Error &&
          error.message.startsWith(`--${name} ${value}: `) &&
          error.message.includes(rule),
        `${name} ${value}`,
      )
    }
    assert.throws(() => read({ secret: '' }), /^Error: --secret must be a text that is not empty$/)
  })
})

describe('the progress', () => {
  function show(t: TestContext, isTTY: boolean) {
    t.mock.timers.enable({ apis: ['setInterval'] })
    const run = newRun(readSettings({}, () => 's'))
    const written: string[] = []
    const progress = showProgress(run, { isTTY, columns: 200, write: (text) => written.push(text) })
    return { run, written, progress, pass: (ms: number) => t.mock.timers.tick(ms) }
  }

  test('is one live line in a terminal, gone at the end', (t) => {
    const { run, written, progress, pass } = show(t, true)
    pass(100)
    run.done = 1
    pass(100)
    assert.equal(written.length, 2)
    for (const line of written) assert.ok(line.startsWith('\r') && line.endsWith('\u001b[K'), line)
    assert.match(String(written[1]), /1 of 6 requests done/)
    progress.stop()
    pass(10_000)
    assert.deepEqual(written.slice(2), ['\r\u001b[K'])
  })

  test('is a line every few seconds elsewhere, without control characters', (t) => {
    const { written, pass, progress } = show(t, false)
    pass(4_000)
    assert.deepEqual(written, [])
    pass(6_000)
    assert.equal(written.length, 2)
    progress.stop()
    for (const line of written) assert.match(line, /^[ -~]+\n$/)
  })

  test('reports once that a limit is used up, and how to start without limits', (t) => {
    const { run, written, pass, progress } = show(t, false)
    run.limit = { limit: 10, remaining: 0 }
    run.limitedUntilMs = run.now() + 57_000
    pass(10_000)
    progress.stop()
    assert.equal(
      written.filter((text) => /limit of 10 requests is used up.*RATE_LIMITS=none/.test(text)).length,
      1,
    )
    assert.equal(written.filter((text) => /waiting 5\d s/.test(text)).length, 2)
  })
})

describe('the timeline', () => {
  const calls = [
    call('B', 1, 1, 'lost', 'replayed'),
    call('A', 1, 1, 'limited', 'fresh'),
    call('A', 1, 2, 'in progress', 'failed', 'replayed'),
  ]

  test('has a row a request, a mark an attempt, and a gap before each retry', () => {
    const svg = timelineSvg(calls, 's')
    assert.deepEqual(
      [...svg.matchAll(/class="label"[^>]*>([^<]*)</g)].map(([, label]) => label),
      ['A 1', 'B 1'],
    )
    assert.equal([...svg.matchAll(/<title>/g)].length, 7)
    assert.match(svg, /<title>B 1, attempt 1: lost, after 0\.000 s, 10\.0 ms<\/title>/)
    assert.match(svg, /<title>A 1 \(second copy\), attempt 3: replayed \(201\)/)
    assert.equal([...svg.matchAll(/class="gap"/g)].length, 4 + 1, 'and the one of the legend')
  })

  test('has a legend and units, and colours for a dark page', () => {
    const svg = timelineSvg(calls, 's')
    for (const text of [
      'fresh',
      'replayed',
      'in progress (409)',
      'limited (429)',
      'response lost on purpose',
      'failed',
    ]) {
      assert.ok(svg.includes(`>${text}</text>`), text)
    }
    assert.match(svg, /milliseconds since the start/)
    assert.match(svg, /prefers-color-scheme:dark/)
    assert.ok(!/NaN|undefined|Infinity/.test(svg))
  })

  test('has a row a client when there are many requests', () => {
    const many = Array.from({ length: 100 }, (_, n) => call(n % 2 === 0 ? 'A' : 'B', n, 1, 'fresh'))
    const svg = timelineSvg(many, 's')
    assert.deepEqual(
      [...svg.matchAll(/class="label"[^>]*>([^<]*)</g)].map(([, label]) => label),
      ['A', 'B'],
    )
    assert.equal([...svg.matchAll(/<title>/g)].length, 100)
  })

  test('of no attempts is a valid picture', () => {
    assert.ok(!/NaN|undefined|Infinity/.test(timelineSvg([], 's')))
  })
})
