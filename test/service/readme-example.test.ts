import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sign } from '../../internal/signature/schemes.ts'
import { install, pack, ROOT } from '../support/installed-package.ts'
import { createDatabase, freePort } from '../support/servers.ts'

const SECRET = 'a-secret-of-your-own'
const START_MS = 30_000

/** The one block of JavaScript in README.md that imports this package. */
function example(): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
  const [code = '', ...others] = blocks.filter((block) => /from 'oncekey'/.test(block))
  assert.ok(code !== '' && others.length === 0, 'README.md has one example of the library')
  assert.ok(code.split('\n').length - 1 <= 30, 'the example has at most 30 lines')
  const imports = /\{([^}]*)\} from 'oncekey'/
    .exec(code)?.[1]
    ?.split(',')
    .filter((name) => name.trim() !== '')
  assert.ok(imports !== undefined && imports.length <= 8, 'the example has at most 8 imports')
  return code
}

test('the Koa app of the README, with the package installed, books once for each key', async (t) => {
  const port = await freePort()
  const database = await createDatabase()
  const { directory } = install(pack(), ['koa'])
  // As it stands there, but for the port, which someone may use.
  const lines = example().split('listen(3000,')
  assert.equal(lines.length, 2, 'the example listens on port 3000')
  writeFileSync(join(directory, 'app.mjs'), lines.join(`listen(${port},`))

  const { PATH = '', HOME = '' } = process.env
  const app = spawn(process.execPath, ['app.mjs'], {
    cwd: directory,
    env: { PATH, HOME, DATABASE_URL: database.url },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  app.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
  const ended = once(app, 'exit')
  t.after(async () => {
    app.kill('SIGKILL')
    await ended
    await database.drop()
  })

  const body = '{"seat":"12A"}'
  async function book(key: string, sent = body, secret = SECRET) {
    const timestamp = Math.floor(Date.now() / 1_000)
    const intent = { method: 'POST', target: '/bookings', client: 'default', key, body: sent, timestamp }
    const response = await fetch(`http://127.0.0.1:${port}/bookings`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'Idempotency-Key': key,
        'X-Signature': sign({ scheme: 'v1', secret, ...intent }),
      },
      body: sent,
    })
    const replayed = response.headers.get('Idempotent-Replayed')
    return { status: response.status, replayed, text: await response.text() }
  }

  const deadline = Date.now() + START_MS
  while (
    !(await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ))
  ) {
    assert.ok(app.exitCode === null && Date.now() < deadline, `the example does not listen: ${errors}`)
    await sleep(50)
  }

  const first = await book('seat-1')
  assert.deepEqual([first.status, first.replayed], [201, null])
  assert.deepEqual(JSON.parse(first.text), { booked: { seat: '12A' }, by: 'default', key: 'seat-1' })
  assert.deepEqual(await book('seat-1'), { ...first, replayed: 'true' })
  assert.match((await book('seat-1', '{"seat":"12B"}')).text, /"code":"idempotency_key_reused"/)
  assert.match((await book('seat-2', body, 'another')).text, /"code":"signature_invalid"/)
  const more = Array.from({ length: 8 }, (_, i) => `more-${i}`)
  const statuses = (await Promise.all(more.map((key) => book(key)))).map(({ status }) => status)
  // Of ten in a minute three were used before; what was refused for its signature used none.
  assert.deepEqual(statuses.sort(), [...Array(7).fill(201), 429])
  assert.equal(errors, '')
})
