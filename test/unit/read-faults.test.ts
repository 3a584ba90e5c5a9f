import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Given } from '../../src/config/read-option.ts'
import { readFaults } from '../../src/tools/faults/read-faults.ts'

const THERE = { listen: '0', target: '127.0.0.1:1' }
const read = (given: Given) => readFaults({ ...THERE, ...given }, () => 'new-seed')

test('every option becomes its fault, and what is not given is none', () => {
  assert.deepEqual(read({}).faults, {})
  const all = read({
    latency: '200ms',
    jitter: '1s',
    'limit-rate': '500',
    refuse: true,
    reset: true,
    'cut-after': '10',
    'cut-direction': 'up',
    blackhole: 'down',
    'half-close': 'up',
    after: '7',
  })
  assert.deepEqual(all.faults, {
    latencyMs: 200,
    jitterMs: 1_000,
    bytesPerSecond: 500,
    refuse: true,
    cut: { directions: 'up', afterBytes: 10, reset: true },
    blackhole: { directions: 'down', afterBytes: 7 },
    halfClose: { direction: 'up', afterBytes: 7 },
  })
  assert.deepEqual(read({ reset: true }).faults, { cut: { directions: 'both', afterBytes: 0, reset: true } })
})

test('addresses have a host where one is given', () => {
  const { listen, target, seed } = read({ listen: '[::1]:8090', target: 'db.example:5432' })
  assert.deepEqual(
    [listen, target],
    [
      { host: '::1', port: 8_090 },
      { host: 'db.example', port: 5_432 },
    ],
  )
  assert.equal(seed, 'new-seed')
  assert.deepEqual(read({ listen: '8090' }).listen, { host: '127.0.0.1', port: 8_090 })
})

test('--every strikes each Nth connection, --probability by chance, and neither all of them', () => {
  const struck = (given: Given, random: () => number) => {
    const { plan } = read({ refuse: true, ...given })
    return [1, 2, 3, 4].filter((n) => plan(n, random).refuse === true)
  }
  assert.deepEqual(
    struck({}, () => 1),
    [1, 2, 3, 4],
  )
  assert.deepEqual(
    struck({ every: '2' }, () => 1),
    [2, 4],
  )
  assert.deepEqual(
    struck({ probability: '0.5' }, () => 0.49),
    [1, 2, 3, 4],
  )
  assert.deepEqual(
    struck({ probability: '0.5' }, () => 0.5),
    [],
  )
})

test('what is wrong is said with the option and the value', () => {
  const wrong: [Given, RegExp][] = [
    [{ listen: undefined }, /^--listen is needed/],
    [{ target: undefined }, /^--target is needed/],
    [{ listen: '70000' }, /^--listen 70000: must be PORT or HOST:PORT/],
    [{ target: 'localhost:0' }, /^--target localhost:0: .*0 is no port/],
    [{ latency: '2' }, /^--latency 2: must be a duration/],
    [{ latency: '11m' }, /^--latency 11m: must be at most 10m/],
    [{ 'cut-after': '-1' }, /^--cut-after -1: must be a whole number/],
    [{ 'cut-after': '1', 'cut-direction': 'left' }, /^--cut-direction left: must be one of up, down, both/],
    [{ 'cut-direction': 'up' }, /^--cut-direction says nothing without --cut-after/],
    [{ jitter: '1s' }, /^--jitter says nothing without --latency/],
    [{ after: '5' }, /^--after says nothing without --blackhole/],
    [{ seed: 'x' }, /^--seed says nothing without --probability/],
    [{ probability: '1.5' }, /^--probability 1.5: must be a number from 0 to 1/],
    [{ probability: '1', every: '2' }, /choose one/],
    [{ 'limit-rate': '0' }, /^--limit-rate 0: must be a whole number/],
  ]
  for (const [given, message] of wrong) assert.throws(() => read(given), { message })
})

test('--cut-direction goes with --reset alone, and --after with --half-close alone', () => {
  assert.equal(read({ reset: true, 'cut-direction': 'down' }).faults.cut?.directions, 'down')
  assert.equal(read({ 'half-close': 'up', after: '5' }).faults.halfClose?.afterBytes, 5)
})
