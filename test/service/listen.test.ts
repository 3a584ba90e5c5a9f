import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createClient, webhooks } from '../../src/client.ts'
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
  await until('it is ready', () => /signed with whsec_/.test(stderr))
  const secret = /whsec_\S+/.exec(stderr)?.[0] ?? ''
  // It begins with its first look, which nothing shows: orders are placed until one is seen.
  await until('an event', async () => {
    await orders.create({ user_id: 'user-1', item: 'later', amount: 2 })
    return received.length > 0 && stdout.includes('\n')
  })
  const [{ headers, body }] = received as [(typeof received)[number]]
  const event = await webhooks.verify(body, headers, { secret })
  assert.equal(event.type, 'order.created')
  assert.match(stdout, new RegExp(`^\\S+ {2}order\\.created {2}${event.id} {2}202$`, 'm'))
  assert.ok(!stdout.includes(before.id.replaceAll('-', '')), 'what was before is not shown')
  child.kill('SIGTERM')
  assert.equal(await ended, 0)
})
