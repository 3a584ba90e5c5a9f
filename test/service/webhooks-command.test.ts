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
  await run('disable', made.id, '--by', 'jane', '--reason', 'the partner moves')
  await run('replay', made.id)
  const text = await oncekey(['webhooks', 'list'], settings)
  assert.equal(text.stdout, `${made.id}  acme  enabled  0 waiting, 0 failed  https://partner.example/hooks\n`)
  assert.ok(!text.stdout.includes('whsec_'))
  const event = `evt_${'0'.repeat(12)}70008000${'0'.repeat(12)}_created`
  const missing = await oncekey(['webhooks', 'replay', made.id, '--event', event], settings)
  assert.deepEqual(
    [missing.code, missing.stderr],
    [1, `oncekey webhooks: ${event}: its client has no such event\n`],
  )
  await run('remove', made.id)
  assert.deepEqual(await run('list'), [])
  const trail = await oncekey(['audit', 'export', '--client', 'acme'], { DATABASE_URL: url })
  const entries = trail.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    entries.map(({ event_type }) => event_type.replace('webhook_endpoint.', '')),
    ['added', 'rotated', 'disabled', 'replayed', 'disabled', 'replayed', 'removed'],
  )
  const { id: _, ...noted } = JSON.parse(entries[4].entry)
  assert.deepEqual(noted, { operator: 'jane', reason: 'the partner moves', endpoint: made.id })
  assert.equal(JSON.parse(entries[3].entry).since, '2026-01-01T00:00:00.000Z')
  assert.ok(!trail.stdout.includes('whsec_'))

  const unknown = await oncekey(['webhooks', 'add', 'acmee', 'https://partner.example/'], settings)
  assert.match(unknown.stdout, /^secret whsec_.*\nThe database has no client of this name: /m)
  await oncekey(['clients', 'add', 'acme'], settings)
  const known = await oncekey(['webhooks', 'add', 'acme', 'https://partner.example/'], settings)
  assert.match(known.stdout, /^added \S+ of acme\nsecret \S+\n$/)

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
    [['replay', made.id, '--since', '2026-02-30T00:00:00Z'], /must be a time of RFC 3339/],
    [['replay', made.id, '--event', 'evt_1_created'], /--event evt_1_created: must be the id of an event/],
    [
      ['replay', made.id, '--event', event, '--since', '2026-01-01T00:00:00Z'],
      /--since or --event, not both/,
    ],
    [['disable', made.id, '--event', event], /disable takes no --event/],
    [['rotate', made.id, '--overlap', 'long'], /--overlap long/],
    [['rotate', made.id, '--overlap', '169h'], /--overlap 169h: must be at most 168h, a week/],
    [['disable', made.id, '--reason', ''], /--reason: must be 1 to 500 characters/],
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
