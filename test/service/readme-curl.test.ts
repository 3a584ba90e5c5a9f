import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
/** The fixed signatures are v0, so nothing in the text grows old. */
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none', SIMULATED_FAILURE_RATE: '0' })
after(() => world.close())

interface Example {
  line: number
  command: string
  /** What the text shows of the answer: the block without a language that follows, if nothing but words is between. */
  shown: string | undefined
}

/** The blocks of shell that send something to the demo, in their order. */
function examples(): Example[] {
  const blocks = [...README.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    ...{ language: match[1], text: match[2] ?? '', index: match.index },
  }))
  return blocks.flatMap(({ language, text, index }, n) => {
    if (language !== 'sh' || !/\bcurl\b/.test(text) || !text.includes('127.0.0.1:8080')) return []
    const next = blocks[n + 1]
    const line = README.slice(0, index).split('\n').length
    return [{ line, command: text, shown: next?.language === '' ? next.text : undefined }]
  })
}

async function run(command: string): Promise<string> {
  const { PATH = '', HOME = '' } = process.env
  const ported = command.replaceAll('127.0.0.1:8080', `127.0.0.1:${world.port}`)
  const options = { cwd: ROOT, env: { PATH, HOME }, timeout: 60_000 }
  const script = `set -euo pipefail\n${ported}`
  return (await promisify(execFile)('bash', ['-c', script], options)).stdout.replaceAll('\r', '')
}

/** The same names and kinds of values, whatever the values are. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]))
}

const statusOf = (text: string) => /^HTTP\/1\.1 \d+ .*$/m.exec(text)?.[0]
const jsonOf = (text: string) => /^\{.*\}$/m.exec(text)?.[0]

const found = examples()

test('the text has examples, and shows the answers of some', () => {
  assert.ok(found.length >= 4, `${found.length} examples`)
  assert.ok(found.filter(({ shown }) => shown !== undefined).length >= 2)
})

for (const { line, command, shown } of found) {
  test(`line ${line}: ${command.split('\n').at(0)?.slice(0, 60)}`, async () => {
    const actual = await run(command)
    assert.doesNotMatch(actual, /^HTTP\/1\.1 (401|5\d\d)/m)
    assert.doesNotMatch(actual, /"status":(401|5\d\d)/)
    if (shown === undefined) return
    assert.equal(statusOf(actual), statusOf(shown) ?? statusOf(actual))
    const [one, other] = [jsonOf(actual), jsonOf(shown)]
    if (other === undefined) return
    assert.ok(one !== undefined, actual)
    assert.deepEqual(shapeOf(JSON.parse(one)), shapeOf(JSON.parse(other)))
    const headers = [...shown.matchAll(/^([A-Z][\w-]+): /gm)].map(([, name = '']) => name)
    for (const name of headers) assert.match(actual, new RegExp(`^${name}: `, 'm'))
  })
}
