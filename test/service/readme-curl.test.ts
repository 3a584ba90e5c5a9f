import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PAGES = ['README.md', 'docs/signing.md', 'docs/payments.md']
/** The fixed signatures are v0, so nothing in the text grows old. */
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none', SIMULATED_FAILURE_RATE: '0' })
after(() => world.close())

interface Example {
  page: string
  line: number
  command: string
  /** What the text shows of the response: the block without a language that follows, if nothing but words is between. */
  shown: string | undefined
}

/** The blocks of shell of a page that send something to the demo, in their order. */
function examples(page: string): Example[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1],
    text: match[2] ?? '',
    index: match.index,
  }))
  return blocks.flatMap(({ language, text: command, index }, n) => {
    if (language !== 'sh' || !/\bcurl\b/.test(command) || !command.includes('127.0.0.1:8080')) return []
    const next = blocks[n + 1]
    const line = text.slice(0, index).split('\n').length
    return [{ page, line, command, shown: next?.language === '' ? next.text : undefined }]
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

const found = PAGES.flatMap(examples)

test('the pages have examples, and show the responses of some', () => {
  assert.ok(found.length >= 4, `${found.length} examples`)
  assert.ok(found.filter(({ shown }) => shown !== undefined).length >= 2)
})

for (const { page, line, command, shown } of found) {
  test(`${page}, line ${line}: ${command.split('\n').at(0)?.slice(0, 60)}`, async () => {
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
