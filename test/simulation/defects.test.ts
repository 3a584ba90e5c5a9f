import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFECTS } from './defects.ts'
import { singlesAndPairs, strikesText } from './enumerate.ts'
import { randomScenario } from './scenario.ts'
import { simulate } from './world.ts'

// A simulation that finds nothing must be one that could have.
const SEEDS = 300
const ENUMERATED = 1_500

for (const [name, { mode, says, defect }] of Object.entries(DEFECTS)) {
  test(`found: ${name}`, async (t) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { violations } = await simulate(randomScenario(mode, String(seed)), { defect })
      const found = violations.find((one) => says.test(one))
      if (found === undefined) continue
      t.diagnostic(`seed ${seed}: ${found}`)
      return
    }
    let tried = 0
    for await (const { strikes, run } of singlesAndPairs(mode, defect)) {
      const found = run.violations.find((one) => says.test(one))
      if (found !== undefined) {
        t.diagnostic(`${strikesText(strikes)}: ${found}`)
        return
      }
      if (tried++ > ENUMERATED) break
    }
    assert.fail(`no seed of ${SEEDS} finds it, and none of ${ENUMERATED} runs of the small scenario`)
  })
}
