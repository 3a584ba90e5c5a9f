import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFECTS } from '../simulation/defects.ts'
import { singlesAndPairs, strikesText } from '../simulation/enumerate.ts'
import type { Mode } from '../simulation/node.ts'
import { randomScenario } from '../simulation/scenario.ts'
import { type Defect, simulate } from '../simulation/world.ts'

// A simulation that finds nothing must be one that could have.
const SEEDS = 300
const ENUMERATED = 1_500

for (const [name, { mode, alsoInRows, says, defect }] of Object.entries(DEFECTS)) {
  testFound(name, mode, says, defect)
  if (alsoInRows === true) testFound(name, 'orders in rows', says, defect)
}

function testFound(name: string, mode: Mode, says: RegExp, defect: Defect): void {
  test(`found: ${name} (${mode})`, async (t) => {
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
