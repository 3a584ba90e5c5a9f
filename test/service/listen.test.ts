import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createClient, webhooks } from '../../src/client.ts'
import { oncekey } from '../support/run-command.ts'
import { freePort } from '../support/servers.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'

const LAUNCHER = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
after(() => world.close())

test('listen shows new events and forwards them, signed, until it is stopped', async (t) => {
  const { received, url } = await startWebhookReceiver(t, (response) => void response.writeHead(202).end())
  const { orders, events } = createClient({ baseUrl: world.service.url, secret: 'super-secret-key' })
  const before = (await orders.create({ user_id: 'user-1', item: 'before', amount: 1 })).order
  await until('its event can be read', async () => (await events.page()).events.length === 1)
  const child = spawn(process.execPath, [
    LAUNCHER,
    'listen',
    '--url',
    world.service.url,
    '--every',
    '200',
    '--forward',
    `${url}hook`,
  ])
  t.after(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await until('it is ready', () => /^waiting for events of http/m.test(stderr))
  const secret = /whsec_\S+/.exec(stderr)?.[0] ?? ''
  await orders.create({ user_id: 'user-1', item: 'later', amount: 2 })
  await until('the event', () => received.length === 1 && stdout.includes('\n'))
  const [{ headers, body }] = received as [(typeof received)[number]]
  const event = await webhooks.verify(body, headers, { secret })
  assert.equal(event.type, 'order.created')
  assert.match(stdout, new RegExp(`^\\S+ {2}order\\.created {2}${event.id} {2}202$`, 'm'))
  assert.ok(!stdout.includes(before.id.replaceAll('-', '')), 'what was before is not shown')
  child.kill('SIGTERM')
  assert.equal(await ended, 0)
})

test('listen tells in a line what is wrong with its options, and what the service refuses', async () => {
  for (const [args, message] of [
    [['--forward', 'nonsense'], '--forward nonsense: must be an absolute URL of ASCII characters'],
    [['--forward', 'ftp://127.0.0.1/'], '--forward ftp://127.0.0.1/: must be an http or https URL'],
    [
      ['--webhook-secret', 'whsec_c2hvcnQ='],
      '--webhook-secret: must be whsec_ and at least 24 bytes in base64',
    ],
    [['--api-key', 'not-the-key'], 'The API key is not valid.'],
    [['--api-key', 'no key'], '--api-key: apiKey must be a string of A-Z'],
    [['--url', 'nonsense'], '--url nonsense: must be an http or https URL'],
    [
      ['--url', 'http://a:b@127.0.0.1/'],
      '--url http://a:b@127.0.0.1/: must be a URL without user and password',
    ],
    [['--client', 'a b'], '--client a b: must be 1 to 64 of'],
    [['--secret', ''], '--secret must be a text that is not empty'],
    [['--cursor', 'nonsense'], 'cursor must be the next_cursor of an earlier page of yours.'],
  ] as const) {
    const { code, stderr } = await oncekey(['listen', '--url', world.service.url, ...args], {})
    assert.equal(code, 1)
    assert.match(stderr, /^oncekey listen: [^\n]*\n$/)
    assert.ok(stderr.startsWith(`oncekey listen: ${message}`), stderr)
  }
})

test('listen tells at once, and once, that the service is away, and waits for it', async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`
  const child = spawn(process.execPath, [LAUNCHER, 'listen', '--url', url, '--every', '200'])
  t.after(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  await until('it tells', () => /ECONNREFUSED/.test(stderr))
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/json')
    response.end('{"events":[],"next_cursor":null,"has_more":false}')
  })
  t.after(() => server.close())
  server.listen(Number(new URL(url).port), '127.0.0.1')
  await until('it waits for events', () => /waiting for events/.test(stderr))
  assert.equal(stderr.trimEnd().split('\n').length, 2, stderr)
})
