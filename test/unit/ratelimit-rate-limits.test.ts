import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'

const client = {
  name: 'client',
  scope: 'client',
  quota: 10,
  windowMs: 60_000,
  algorithm: 'sliding-window',
  burst: 10,
}

test('the default limits are parsed', () => {
  assert.deepEqual(parseRateLimits('client=10/60s'), [client])
  assert.deepEqual(parseRateLimits('global=10/1s:token-bucket:10'), [
    { name: 'global', scope: 'global', quota: 10, windowMs: 1_000, algorithm: 'token-bucket', burst: 10 },
  ])
  const v1 = parseRateLimits('global=1000/60s,client=100/60s,endpoint=10/60s,client=20/1s:token-bucket:50')
  assert.deepEqual(
    v1.map((limit) => limit.name),
    ['global', 'client-60s', 'endpoint', 'client-1s'],
  )
  assert.deepEqual(v1[3], {
    name: 'client-1s',
    scope: 'client',
    quota: 20,
    windowMs: 1_000,
    algorithm: 'token-bucket',
    burst: 50,
  })
})

test('spaces around items are ignored', () => {
  assert.deepEqual(parseRateLimits(' client=10/60s , ip=5/1s:fixed-window ').length, 2)
})

test('none means no limits', () => {
  assert.deepEqual(parseRateLimits('none'), [])
})

test('a window is a duration', () => {
  const windows = { '500ms': 500, '30s': 30_000, '10m': 600_000, '24h': 86_400_000, '744h': 2_678_400_000 }
  for (const [text, ms] of Object.entries(windows))
    assert.equal(parseRateLimits(`ip=1/${text}`)[0]?.windowMs, ms)
})

test('the burst of a token bucket is its quota by default', () => {
  assert.equal(parseRateLimits('ip=7/1s:token-bucket')[0]?.burst, 7)
})

const faults: [text: string, message: RegExp][] = [
  ['', /"": a limit is written/],
  ['client', /"client": a limit is written scope=quota\/window/],
  ['client=10', /a limit is written/],
  ['client=10/60s,', /"": a limit is written/],
  ['client=10/60s:token-bucket:5:1', /a limit is written/],
  ['none,client=1/1s', /"none": a limit is written/],
  ['Client=10/60s', /scope is one of global, client, ip, endpoint, got "Client"/],
  ['user=10/60s', /"user=10\/60s": scope is one of .*, got "user"/],
  ['client=0/60s', /quota is a whole number from 1 to 1000000, got "0"/],
  ['client=-1/60s', /quota .* got "-1"/],
  ['client=1.5/60s', /quota .* got "1.5"/],
  ['client=1e3/60s', /quota .* got "1e3"/],
  ['client=/60s', /quota .* got ""/],
  ['client=1000001/60s', /quota .* got "1000001"/],
  ['client=10/60', /window is a duration like .*, got "60"/],
  ['client=10/0s', /window .* got "0s"/],
  ['client=10/1d', /window .* got "1d"/],
  ['client=10/1.5s', /window .* got "1.5s"/],
  ['client=10/745h', /window .* got "745h"/],
  ['client=10/60s:leaky', /algorithm is one of sliding-window, .*, got "leaky"/],
  ['client=10/60s:', /algorithm .* got ""/],
  ['client=10/60s:sliding-window:5', /only token-bucket has a burst, got "5" for sliding-window/],
  ['client=10/60s:token-bucket:', /burst is a whole number .* got ""/],
  ['client=10/60s:token-bucket:0', /burst .* got "0"/],
  [
    'client=10/60s,client=20/1m:token-bucket',
    /"client=20\/1m:token-bucket": a scope may have one limit for each window, but there is also "client=10\/60s"/,
  ],
  ['ip=1/1s,client=10/1s,client=10/1s', /one limit for each window/],
]
for (const [text, message] of faults) {
  test(`"${text}" is refused with the item, the rule and the value`, () => {
    assert.throws(() => parseRateLimits(text), message)
  })
}

test('all faults are reported in one error', () => {
  assert.throws(() => parseRateLimits('user=1/1s,ip=0/1s'), /got "user"; "ip=0\/1s": quota .* got "0"/)
})
