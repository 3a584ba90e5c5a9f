import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, type TestContext, test } from 'node:test'
import { webhookSignature } from '../../internal/events/webhook-secret.ts'
import { createClient } from '../../src/client.ts'
import { EXAMPLES, exampleCommand, exampleEnvironment } from '../support/example-languages.ts'
import { send } from '../support/order-client.ts'
import { freePort } from '../support/servers.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'

const FILES = readdirSync(EXAMPLES).filter((name) => /^webhook/i.test(name))
const directory = mkdtempSync(join(tmpdir(), 'oncekey-receivers-'))
const keyOf = (file: string) => `key-of-${file.replace('.', '-')}-0001`
const world = await startServiceOnDatabase({
  API_KEYS: FILES.map((file) => `${extname(file).slice(1)}:${keyOf(file)}`).join(','),
  RATE_LIMITS: 'none',
  SIMULATED_FAILURE_RATE: '0',
})
const baseUrl = world.service.url
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

/** On a machine that compiles Java and C# beside other tests. */
const START_MS = 120_000

interface Receiver {
  /** A line for each event that it took: type and id. */
  taken: string[]
  /** What it writes besides, for a test that fails. */
  log(): string
}

function startProgram(
  t: TestContext,
  program: string,
  args: string[],
  env: Record<string, string>,
): Receiver {
  const child = spawn(program, args, { cwd: EXAMPLES, env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  return watch(child, child.stdout)
}

function watch({ stderr }: ChildProcess, lines: NodeJS.ReadableStream): Receiver {
  const taken: string[] = []
  let rest = ''
  let log = ''
  stderr?.on('data', (chunk) => {
    log += String(chunk)
  })
  lines.on('data', (chunk) => {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop() ?? ''
    taken.push(...parts)
  })
  return { taken, log: () => log }
}

/** The web server that runs a CGI program for each request. */
async function startCgi(
  t: TestContext,
  port: number,
  [program, ...args]: [string, ...string[]],
  env: Record<string, string>,
): Promise<Receiver> {
  const taken: string[] = []
  let log = ''
  const server = createServer(async (request, response) => {
    const names = Object.entries(request.headers).map(([name, value]) => [
      `HTTP_${name.toUpperCase().replaceAll('-', '_')}`,
      String(value),
    ])
    const child = spawn(program, args, { cwd: EXAMPLES, env: { ...env, ...Object.fromEntries(names) } })
    // A program that has responded may not have read the body.
    child.stdin.on('error', () => {})
    request.pipe(child.stdin)
    const [output, lines] = await Promise.all([text(child.stdout), text(child.stderr)])
    const [, status] = /^Status: (\d{3}) /.exec(output) ?? []
    taken.push(...lines.split('\n').filter((line) => line.includes(' evt_')))
    log += lines
    response.writeHead(Number(status ?? 500)).end()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { taken, log: () => log }
}

async function start(t: TestContext, file: string, port: number, secret: string): Promise<Receiver> {
  const env = { ...exampleEnvironment(directory), ONCEKEY_WEBHOOK_SECRET: secret, PORT: String(port) }
  const { program, args } = await exampleCommand(file, directory)
  if (file.endsWith('.sh')) return await startCgi(t, port, [program, ...args], env)
  const server = file.endsWith('.php') ? ['-S', `127.0.0.1:${port}`, ...args] : args
  return startProgram(t, program, server, env)
}

test('there is a receiver in each language that has an order', () => {
  const languages = (kind: RegExp) =>
    new Set(readdirSync(EXAMPLES).flatMap((name) => (kind.test(name) ? [extname(name)] : [])))
  assert.deepEqual([...languages(/^webhook/i)].toSorted(), [...languages(/^order/i)].toSorted())
})

for (const file of FILES) {
  test(`${file}: takes what the service sends, also while the secret rotates, and refuses all else`, async (t) => {
    const headers = { Authorization: `Bearer ${keyOf(file)}`, 'Content-Type': 'application/json' }
    const ask = async (path: string, body: object) => {
      const url = `${baseUrl}/api/v1/webhook-endpoints${path}`
      const reply = await send(url, { method: 'POST', headers, body: JSON.stringify(body) })
      assert.ok(reply.status < 300, reply.body.toString())
      return JSON.parse(reply.body.toString()).webhook_endpoint
    }
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/hook`
    const { id: endpoint, secret } = await ask('', { url })
    const { taken, log } = await start(t, file, port, secret)
    const post = async (headers: Record<string, string>, body: string) =>
      (await send(url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body }))
        .status
    await until(
      `${file} responds: ${log()}`,
      async () => (await post({}, '{}').catch(() => 0)) === 401,
      START_MS,
    )

    const client = createClient({ baseUrl, apiKey: keyOf(file) })
    const pay = () =>
      client.payments.create({ amount: 5, currency: 'EUR', payment_method: 'card-42', description: 'Käse' })
    await pay()
    await until('the first event', () => taken.length === 1)
    // Two sign from now on, the new secret first.
    await ask(`/${endpoint}/rotate`, {})
    await pay()
    await until('the second event', () => taken.length === 2)
    const { events } = await client.events.page()
    assert.deepEqual(taken.toSorted(), events.map(({ type, id }) => `${type} ${id}`).toSorted(), log())

    const [event] = events
    assert.ok(event)
    const body = JSON.stringify(event)
    const seconds = Math.floor(Date.now() / 1_000)
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const signed = (by: string, at: number, name = event.id, over = body) => ({
      'webhook-id': name,
      'webhook-timestamp': String(at),
      'webhook-signature': webhookSignature([by], name, at, over),
    })
    const right = signed(secret, seconds)
    const signature = right['webhook-signature']
    for (const [what, changed, sent] of [
      ['a wrong secret', signed(other, seconds), body],
      ['an old timestamp', signed(secret, seconds - 330), body],
      ['a future timestamp', signed(secret, seconds + 330), body],
      ['another timestamp', { ...right, 'webhook-timestamp': String(seconds - 1) }, body],
      ['a timestamp that is no number', { ...right, 'webhook-timestamp': `${seconds}x` }, body],
      ['another id', { ...right, 'webhook-id': `${event.id}x` }, body],
      ['another body', right, body.replace('5', '6')],
      ['a longer body', right, `${body}\n`],
      ['an empty signature', { ...right, 'webhook-signature': '' }, body],
      ['a signature without its version', { ...right, 'webhook-signature': signature.slice(3) }, body],
      ['a part of the signature', { ...right, 'webhook-signature': signature.slice(0, -2) }, body],
      ['an older version', { ...right, 'webhook-signature': signature.replace('v1,', 'v0,') }, body],
    ] as const) {
      assert.equal(await post(changed, sent), 401, `${what}\n${log()}`)
    }
    const { 'webhook-id': _, ...withoutId } = right
    assert.equal(await post(withoutId, body), 401)
    assert.equal(taken.length, 2)
    const several = `${webhookSignature([other], event.id, seconds, body)} v1a,x ${signature}`
    assert.equal(await post({ ...right, 'webhook-signature': several }, body), 204, log())
    await until('the one with several signatures', () => taken.length === 3)
  })
}
