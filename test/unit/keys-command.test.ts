import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HELP, keys } from '../../src/cli/keys.ts'

test('every fault of the command line is reported before a store is opened', async () => {
  const one = ['--client', 'a', '--scope', 'POST /', '--key', 'k']
  for (const [args, message] of [
    [[], /say list, show, resolve, release, import or log/],
    [['forget'], /there is no forget: list, show/],
    [['list', 'unknown'], /unknown: list takes options only/],
    [['list', '--state', 'lost'], /--state lost: must be one of in_progress, completed, unknown/],
    [['list', '--limit', '0'], /--limit 0: must be a whole number from 1/],
    [['show', '--client', 'a', '--key', 'k'], /--client, --scope .* and --key say which/],
    [['import'], /import takes one FILE, and options/],
    [['import', 'a', 'b'], /a b: import takes one FILE/],
    [['import', 'a', '--yes'], /import takes no --yes/],
    [['show', ...one, '--yes'], /show takes no --yes/],
    [['resolve', ...one], /--status is missing: must be/],
    [['resolve', ...one, '--status', '429'], /--status 429: such a response is never stored/],
    [['resolve', ...one, '--status', '99'], /--status 99: must be a whole number from 200 to 599/],
    [['resolve', ...one, '--status', '200', '--content-type', 'a\nb'], /must be a media type/],
    [['resolve', ...one, '--status', '200', '--reason', 'a\nb'], /--reason: must be 1 to 500 characters/],
    [['resolve', ...one, '--status', '200', '--by', ''], /--by: must be/],
    [['resolve', ...one, '--all'], /Unknown option '--all'/],
  ] as const) {
    await assert.rejects(keys([...args]), message)
  }
})

test('the help names the verbs, the settings and what release means', () => {
  for (const word of [
    'list',
    'show',
    'resolve',
    'release',
    'import',
    'log',
    'RUNS THE REQUEST AGAIN',
    'REDIS_URL',
    '--by',
  ])
    assert.ok(HELP.includes(word), word)
})
