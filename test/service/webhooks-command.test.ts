import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newKey } from '../support/clients.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { oncekey } from '../support/run-command.ts'

test('an operator adds, lists, rotates, disables, replays and removes endpoints', async (t) => {
  const { url } = await migratedDatabase(t)
  const settings = { DATABASE_URL: url, SECRETS_KEY: newKey().text, NODE_ENV: 'production' }
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await oncekey(['webhooks', ...args, '--json'], settings)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }
  const made = await run('add', 'acme', 'https://partner.example/hooks', '--events', 'order.created')
  assert.deepEqual(
    [made.client, made.url, made.events, made.status],
    ['acme', 'https://partner.example/hooks', ['order.created'], 'enabled'],
  )
  assert.match(made.secret, /^whsec_/)
  const { secret } = await run('rotate', made.id)
  assert.notEqual(secret, made.secret)
  const listed = async () => (await run('list', 'acme'))[0]
  assert.deepEqual([(await listed()).status, (await listed()).pending], ['enabled', 0])
  await run('disable', made.id)
  assert.deepEqual([(await listed()).status, (await listed()).disabled_reason], ['disabled', 'operator'])
  await run('replay', made.id, '--since', '2026-01-01T00:00:00Z')
  assert.equal((await listed()).status, 'enabled')
  const text = await oncekey(['webhooks', 'list'], settings)
  assert.equal(text.stdout, `${made.id}  acme  enabled  0 waiting, 0 failed  https://partner.example/hooks\n`)
  assert.ok(!text.stdout.includes('whsec_'))
  await run('remove', made.id)
  assert.deepEqual(await run('list'), [])

  for (const [args, message] of [
    [['add', 'acme', 'http://partner.example/'], /must be an https URL/],
    [['add', 'acme', 'https://10.0.0.1/'], /must not be a private address/],
    [['add', 'acme'], /add takes CLIENT and URL/],
    [['add', 'a b', 'https://partner.example/'], /CLIENT=a b/],
    [
      ['add', 'acme', 'https://partner.example/', '--events', 'order.deleted'],
      /--events order\.deleted: must be one of/,
    ],
    [['list', '--since', '2026-01-01T00:00:00Z'], /list takes no --since/],
    [['replay', made.id, '--since', 'yesterday'], /must be a time of RFC 3339/],
    [['rotate', made.id, '--overlap', 'long'], /--overlap long/],
    [['disable', '1'], /must be the id of an endpoint/],
    [['disable', made.id], /there is no endpoint/],
    [['send'], /there is no send/],
  ] as const) {
    const { code, stderr } = await oncekey(['webhooks', ...args], settings)
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, message)
  }
  const keyless = await oncekey(['webhooks', 'add', 'acme', 'https://partner.example/'], {
    DATABASE_URL: url,
    NODE_ENV: 'production',
  })
  assert.match(keyless.stderr, /SECRETS_KEY is not set/)
})
