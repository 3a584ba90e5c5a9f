import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chartSvg } from '../bench/chart.ts'
import type { Measured } from '../bench/measure.ts'
import { reaches } from '../bench/reach.ts'
import { markdown } from '../bench/report.ts'

function measured(path: string, contestant: string, rates: number[], p99Ms = 5): Measured {
  const rate = rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0
  return {
    path,
    contestant,
    what: contestant === 'hono-peer' ? 'Hono 4, its packages' : contestant,
    kind: contestant.endsWith('-peer') ? 'peer' : contestant === 'koa-sync' ? 'floor' : 'ours',
    rate,
    p50Ms: 1,
    p99Ms,
    responses: 100,
    peakRssMb: 50,
    unexpected: {},
    rounds: rates.map((one) => ({ rate: one, p50Ms: 1, p99Ms, serverUs: 1e6 / one, otherCores: 0.1 })),
    garbageKb: 12,
    cpuUs: { server: 40, redis: 0, postgres: Number.NaN, load: 9 },
  }
}

const FIGURES = [
  measured('fresh', 'koa-sync', [10_000, 5_000, 20_000]),
  // Half of the floor in each round, whatever the round was like.
  measured('fresh', 'postgres', [5_000, 2_500, 10_000], 25),
  measured('fresh', 'embedded', [1_000, 500, 2_000]),
  measured('fresh', 'koa-peer', [1_000, 500, 2_000]),
  measured('fresh', 'hono-peer', [2_500, 1_250, 5_000]),
]

test('ratios are those within rounds, to the floor and to the best of the peers', () => {
  const said = reaches(FIGURES).map(({ what, value, reached }) => [what, value, reached])
  assert.deepEqual(said, [
    ['fresh: postgres / koa-sync', 0.5, true],
    ['fresh: postgres / hono-peer', 2, false],
    ['fresh: p99 of postgres, ms', 25, false],
    ['fresh: embedded / postgres', 0.2, false],
  ])
})

test('the report has the figures, what they mean and whether they suffice', () => {
  const text = markdown({ measured: FIGURES, reaches: reaches(FIGURES), circumstances: ['two cores'] })
  assert.match(text, /^- two cores\n/)
  assert.match(text, /- `hono-peer`: Hono 4, /)
  assert.match(
    text,
    /\| `postgres` \| 5000 \| 0\.50 \| 1\.00 \| 25\.00 \| 40\.0 \| 0\.0 \| - \| 9\.0 \| 12\.0 \| 50 \| 0\.10 \|/,
  )
  assert.match(text, /\| fresh: postgres \/ hono-peer \| 2\.00 \| >= 2\.4 \| \*\*no\*\* \|/)
})

test('another build is compared with this one within rounds', () => {
  const old = { ...measured('fresh', 'postgres@old', [2_500, 1_250, 5_000], 50), garbageKb: 24 }
  const text = markdown({ measured: [...FIGURES, old], reaches: [], circumstances: [] })
  assert.match(text, /\| fresh \| `postgres` \/ `postgres@old` \| 2\.00 \| 0\.50 \| 0\.50 \| 0\.50 \|/)
})

test('the chart has a bar for each contestant', () => {
  const svg = chartSvg(FIGURES)
  assert.equal(svg.match(/<rect x=/g)?.length, FIGURES.length)
  assert.match(svg, /10,000\/s, p99 5\.0 ms/)
})
