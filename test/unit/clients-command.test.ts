import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clients } from '../../src/cli/clients.ts'

/** Nothing is opened, and no setting is read, before the command line is right. */
for (const [args, message] of [
  [[], /^say add, list, rotate, revoke, limit or reseal; see --help$/],
  [['remove', 'acme'], /^there is no remove: add, list/],
  [['toString'], /^there is no toString: add, list/],
  [['add'], /^add takes NAME$/],
  [['revoke'], /^revoke takes NAME$/],
  [['add', 'a b'], /^NAME=a b: must be 1 to 64 of/],
  [['add', 'x'.repeat(65)], /^NAME=x{65}: must be/],
  [['add', 'anonymous'], /^NAME=anonymous: is reserved for callers without credentials$/],
  [['add', 'acme', 'zeta'], /^zeta: add takes one NAME/],
  [['list', 'acme'], /^acme: list takes no NAME/],
  [['reseal', 'acme'], /^acme: reseal takes no NAME/],
  [['add', 'acme', '--min-scheme', 'v2'], /^--min-scheme v2: must be one of v0, v1, rfc9421/],
  [['rotate', 'acme', '--min-scheme', 'v1'], /^rotate takes no --min-scheme/],
  [['rotate', 'acme', '--overlap', '72'], /^--overlap 72: must be a duration like/],
  [['rotate', 'acme', '--overlap', '8761h'], /^--overlap 8761h: must be at most 8760h/],
  [['revoke', 'acme', '--overlap', '1h'], /^revoke takes no --overlap/],
  [['list', '--secret', 'x'], /^list takes no --secret/],
  [['list', '--secret'], /'--secret <value>' argument missing/],
] as const) {
  test(`"clients ${args.join(' ').slice(0, 40)}" is refused: ${message.source}`, async () => {
    await assert.rejects(clients([...args]), { message })
  })
}
