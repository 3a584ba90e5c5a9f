import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { temporaryDirectory } from '../support/servers.ts'

const BENCH = fileURLToPath(new URL('../bench/bench.ts', import.meta.url))

const report = z.object({
  measured: z.array(
    z.object({
      path: z.string(),
      contestant: z.string(),
      responses: z.number(),
      unexpected: z.record(z.string(), z.number()),
    }),
  ),
})

async function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = ['--import', 'tsx', BENCH, ...args]
  return await promisify(execFile)(process.execPath, command).then(
    (ended) => ({ code: 0, ...ended }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

test('the benchmark runs: every contestant gives every path its response', async () => {
  const directory = temporaryDirectory()
  const { code, stdout, stderr } = await bench('--quick', '--json', '--out', directory)
  assert.equal(code, 0, stderr)
  const { measured } = report.parse(JSON.parse(stdout))
  const orders = ['replay-one', 'replay-many', 'fresh', 'fresh-70', 'fresh-single', 'conflict', '401', '429']
  const wanted = [
    ...orders.flatMap((path) =>
      ['koa-sync', 'koa-batched', 'redis+postgres', 'postgres', 'embedded'].map((one) => `${path} ${one}`),
    ),
    ...['sidecar', 'sidecar-keyed', 'sidecar-replay'].flatMap((path) =>
      ['undici', 'sidecar', 'http-proxy'].map((one) => `${path} ${one}`),
    ),
  ]
  assert.deepEqual(
    measured.map(({ path, contestant }) => `${path} ${contestant}`),
    wanted,
  )
  for (const one of measured) {
    assert.ok(one.responses > 0, JSON.stringify(one))
    assert.deepEqual(one.unexpected, {})
  }
  assert.match(readFileSync(`${directory}/report.md`, 'utf8'), /\*\*fresh\*\*: new orders/)
  assert.match(readFileSync(`${directory}/chart.svg`, 'utf8'), /^<svg .*<\/svg>\n$/s)
})

test('a path or contestant that does not exist is named', async () => {
  const { code, stderr } = await bench('--paths', 'fresh,replays')
  assert.equal(code, 1)
  assert.match(stderr, /--paths: there is no replays; there are replay-one,/)
})
