import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { applies, FAULT_KINDS, MODES, STORES } from '../chaos/fault-kinds.ts'
import { readOptions } from '../chaos/options.ts'
import { Places } from '../chaos/places.ts'
import { schedule } from '../chaos/schedule.ts'

const OPTIONS = {
  seed: 's',
  durationMs: 60_000,
  mode: 'orders',
  store: 'redis',
  everyMs: 1_500,
  nodes: 3,
} as const

describe('the schedule of chaos runs', () => {
  test('is the same for the same seed, and another one for another', () => {
    assert.deepEqual(schedule(OPTIONS), schedule(OPTIONS))
    assert.notDeepEqual(schedule(OPTIONS), schedule({ ...OPTIONS, seed: 't' }))
  })

  test('has every kind that applies within a minute and a half, in each mode and on each store', () => {
    for (const mode of MODES) {
      for (const store of STORES) {
        const kinds = new Set(
          schedule({ ...OPTIONS, durationMs: 90_000, mode, store }).map(({ kind }) => kind),
        )
        const wanted = FAULT_KINDS.filter((kind) => applies(kind, mode, store))
        assert.deepEqual(
          wanted.filter((kind) => !kinds.has(kind)),
          [],
          `${mode} ${store}`,
        )
      }
    }
  })

  test('has a thousand faults in half an hour', () => {
    assert.ok(schedule({ ...OPTIONS, durationMs: 1_800_000 }).length > 1_000)
  })

  test('has nothing but the kinds that were asked for', () => {
    assert.deepEqual(schedule({ ...OPTIONS, faults: [] }), [])
    const only = schedule({ ...OPTIONS, faults: ['kill', 'backend-reset'] })
    assert.deepEqual([...new Set(only.map(({ kind }) => kind))], ['kill'])
  })
})

describe('the options of chaos runs', () => {
  test('name what is wrong', () => {
    assert.throws(() => readOptions(['--mode', 'x']), /--mode x: /)
    assert.throws(() => readOptions(['--faults', 'kill,x']), /there is no fault x/)
    assert.throws(() => readOptions(['--duration', '1s']), /at least 5000 ms/)
    assert.deepEqual(readOptions(['--faults', 'none']).faults, [])
  })
})

test('work at one place follows, work at others does not wait', async () => {
  const places = new Places()
  const order: string[] = []
  let open = () => {}
  const held = new Promise<void>((resolve) => {
    open = resolve
  })
  const first = places.hold(['a', 'b'], async () => {
    await held
    order.push('first')
  })
  const second = places.hold(['b', 'c'], async () => order.push('second'))
  await places.hold(['d'], async () => order.push('elsewhere'))
  open()
  await Promise.all([first, second])
  assert.deepEqual(order, ['elsewhere', 'first', 'second'])
})
