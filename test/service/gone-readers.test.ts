import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { createDatabase, freePort } from '../support/servers.ts'
import { until } from '../support/until.ts'

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const { PATH = '', HOME = '' } = process.env
const database = await createDatabase()
after(() => database.drop())
const env = { PATH, HOME, DATABASE_URL: database.url, RATE_LIMITS: 'none' }

test('a service whose log and standard error nobody reads any more goes on, and ends with 0', async (t) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const service = spawn(process.execPath, [PROGRAM, 'serve'], {
    env: { ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => service.kill('SIGKILL'))
  const ended = once(service, 'exit')
  let text = ''
  const read = (chunk: Buffer) => {
    text += chunk
  }
  service.stdout.on('data', read)
  service.stderr.on('data', read)
  await until('it is ready', () => text.includes('is ready on'))
  service.stdout.destroy()
  service.stderr.destroy()
  assert.equal((await postOrder(url, newKey(), orderBody())).status, 201)
  // The lines of 200 requests are more than wait for the clock: writing them has failed by then, and telling that as well.
  for (let n = 0; n < 300; n++) assert.equal((await send(`${url}/livez`)).status, 200)
  assert.equal((await send(`${url}/readyz`)).status, 200)
  service.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

describe('a command whose output cannot be written', () => {
  const COMMANDS = [
    ['clients', 'list'],
    ['keys', 'list'],
    ['doctor'],
    ['--help'],
    ['serve', '--print-config'],
  ]

  /** Its exit code, and what it wrote to standard error. */
  async function run(
    args: string[],
    stdout: number | 'pipe',
  ): Promise<[code: number | null, stderr: string]> {
    const command = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', stdout, 'pipe'] })
    // The reader leaves before there is anything.
    command.stdout?.destroy()
    let stderr = ''
    command.stderr?.on('data', (chunk) => {
      stderr += chunk
    })
    const [code] = await once(command, 'close')
    return [code, stderr]
  }

  for (const args of COMMANDS) {
    test(`${args.join(' ')}: ends quietly when its reader has gone, with a line when the disk is full`, async () => {
      const [gone, quiet] = await run(args, 'pipe')
      assert.equal(gone, 141)
      assert.doesNotMatch(quiet, /EPIPE|^ +at /m)
      const [full, told] = await run(args, openSync('/dev/full', 'w'))
      assert.equal(full, 1)
      assert.match(told, /^oncekey: the output cannot be written: ENOSPC.*$/m)
      assert.doesNotMatch(told, /^ +at /m)
    })
  }
})
