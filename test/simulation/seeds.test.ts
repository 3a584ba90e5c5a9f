import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFull } from '../support/tier.ts'
import { FAULTS, type Fault } from './failpoints.ts'
import { isFinal } from './history.ts'
import { MODES, mayLoseKeys } from './node.ts'
import { randomScenario } from './scenario.ts'
import { simulate } from './world.ts'

const SEEDS = isFull ? 10_000 : 800

for (const mode of MODES) {
  test(`${mode}: the promises are kept in ${SEEDS / MODES.length} random runs`, async (t) => {
    const struck = new Map<Fault, number>()
    const sum = { attempts: 0, answered: 0, elapsedMs: 0 }
    for (let seed = 0; seed < SEEDS / MODES.length; seed++) {
      const run = await simulate(randomScenario(mode, String(seed)))
      assert.deepEqual(run.violations, [], `npm run simulate:faults -- --mode '${mode}' --seed ${seed}`)
      for (const [fault, times] of run.struck) struck.set(fault, (struck.get(fault) ?? 0) + times)
      sum.attempts += run.attempts.length
      sum.answered += run.attempts.filter(({ seen }) => seen !== undefined && isFinal(seen)).length
      sum.elapsedMs += run.elapsedMs
    }
    // What did not happen was not tested.
    for (const fault of FAULTS) {
      const isPossible = fault !== 'none' && (mayLoseKeys(mode) || !fault.startsWith('flush'))
      assert.equal(
        (struck.get(fault) ?? 0) > SEEDS / 100,
        isPossible,
        `${fault} struck ${struck.get(fault)} times`,
      )
    }
    assert.ok(sum.answered > sum.attempts / 4, `${sum.answered} of ${sum.attempts} got a response`)
    const faults = [...struck.values()].reduce((all, times) => all + times, 0)
    const hours = (sum.elapsedMs / 3_600_000).toFixed(1)
    t.diagnostic(`${mode}: ${sum.attempts} requests, ${faults} faults, ${hours} hours of virtual time`)
  })
}

test('the same seed is the same run', async () => {
  for (const mode of MODES) {
    const traces = [[], []] as [string[], string[]]
    for (const lines of traces)
      await simulate(randomScenario(mode, '4711'), { trace: (line) => lines.push(line) })
    assert.deepEqual(traces[0], traces[1])
    assert.ok(traces[0].length > 20)
  }
})
