import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))

/** Runs `oncekey --version` where process.versions has these, too. */
function startedWith(versions: Record<string, string>) {
  const value = JSON.stringify({ ...process.versions, ...versions })
  const preload = `data:text/javascript,Object.defineProperty(process, 'versions', { value: ${encodeURIComponent(value)} })`
  return spawnSync(process.execPath, ['--import', preload, PROGRAM, '--version'], { encoding: 'utf8' })
}

for (const [versions, refusal] of [
  [{ bun: '1.4.5' }, /^oncekey needs Node\.js; this is Bun 1\.4\.5 \(.+\)\.\n$/],
  [{ node: '20.19.9' }, /^oncekey needs Node\.js 20\.20 or newer; this is v\S+ \(.+\)\.\n$/],
  [{ node: '18.20.4' }, /^oncekey needs Node\.js 20\.20 or newer/],
] as const) {
  test(`${JSON.stringify(versions)} is refused in one line`, () => {
    const { status, stdout, stderr } = startedWith(versions)
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, refusal)
  })
}

test('a Node.js that is new enough is taken', () => {
  const { status, stderr } = startedWith({ node: '22.0.0' })
  assert.deepEqual([status, stderr], [0, ''])
})
