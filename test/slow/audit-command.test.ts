import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { audit as run } from '../../src/cli/audit.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { tampered } from '../support/audit.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase } from '../support/servers.ts'

const created = await createDatabase()
const database = openDatabase(created.url)
const directory = mkdtempSync(join(tmpdir(), 'oncekey-audit-'))
const path = (name: string) => join(directory, name)
before(async () => {
  await migrate(database, SQL_DIRECTORY)
  const { append } = auditLog(database)
  const entries = ['acme', 'other'].flatMap((client) =>
    Array.from({ length: client === 'acme' ? 620 : 3 }, (_, n) => ({
      client,
      eventType: 'payment.refused',
      entry: `{"n":${n},"text":"ä \\n 😀"}`,
    })),
  )
  await Promise.all(entries.map(append))
})
after(async () => {
  rmSync(directory, { recursive: true })
  await database.close()
  await created.drop()
})

const audit = (...args: string[]) => oncekey(['audit', ...args], { DATABASE_URL: created.url })
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await audit(...args)
  assert.equal(code, 0, stdout + stderr)
  return stdout
}

test('verify tells each client, its entries and its head; heads prints the same', async () => {
  const lines = (await ok('verify')).trimEnd().split('\n')
  const heads = (await ok('heads')).trimEnd().split('\n')
  assert.equal(heads.length, 2)
  const [acme = '', other = ''] = heads
  assert.match(acme, /^acme:620:[0-9a-f]{64}$/)
  assert.deepEqual(lines, [
    `ok     acme: 620 entries, head ${acme.slice('acme:'.length)}`,
    `ok     other: 3 entries, head ${other.slice('other:'.length)}`,
    '2 clients, 623 entries: no fault',
  ])
  const reports = (await ok('verify', '--json')).trimEnd().split('\n')
  const hash = acme.split(':')[2]
  assert.deepEqual(JSON.parse(reports[0] ?? ''), {
    client: 'acme',
    from: 1,
    entries: 620,
    fault: null,
    head: { seq: 620, hash },
  })
  assert.deepEqual(JSON.parse((await ok('heads', '--client', 'acme', '--json')).trim()), {
    client: 'acme',
    seq: 620,
    hash,
  })
  assert.match(await ok('verify', '--client', 'other'), /^ok {5}other: .*\n1 client, 3 entries: no fault\n$/)
})

test('verify ends with 1 and says which client is broken where, and goes on with the others', async () => {
  const statement = "UPDATE audit_log SET entry = '{}' WHERE client = 'acme' AND seq = 600"
  const restore = await ok('export', '--client', 'acme')
  await tampered(database, statement, async () => {
    const { code, stdout } = await audit('verify')
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^BROKEN acme: changed at 600: entry 600 was changed, .* \(sound before: 599 entries, head 599:/m,
    )
    assert.match(stdout, /^ok {5}other: 3 entries/m)
    assert.match(stdout, /^2 clients, 602 entries: 1 BROKEN$/m)
    assert.equal((await audit('verify', '--client', 'other')).code, 0)
    const json = await audit('verify', '--json')
    assert.equal(json.code, 1)
    const { fault } = JSON.parse(json.stdout.split('\n')[0] ?? '')
    assert.deepEqual([fault.kind, fault.seq], ['changed', 600])
  })
  const { entry } = JSON.parse(restore.split('\n')[599] ?? '')
  const back = `UPDATE audit_log SET entry = '${entry}' WHERE client = 'acme' AND seq = 600`
  await tampered(database, back, () => ok('verify'))
})

describe('an export', () => {
  test('is verified offline, whole, in part and through standard input', async () => {
    const whole = await ok('export')
    const lines = whole.trimEnd().split('\n')
    assert.equal(lines.length, 623)
    assert.deepEqual(Object.keys(JSON.parse(lines[0] ?? '')), [
      ...['client', 'seq', 'at', 'event_type', 'entry', 'hash', 'prev_hash'],
    ])
    writeFileSync(path('whole'), whole)
    const verified = await oncekey(['audit', 'verify', '--file', path('whole')])
    assert.deepEqual([verified.code, verified.stdout], [0, await ok('verify')], verified.stderr)
    writeFileSync(path('part'), lines.slice(100, 200).join('\n'))
    const part = await oncekey(['audit', 'verify', '--file', path('part')])
    assert.match(part.stdout, /^ok {5}acme: 100 entries from 101 on, head 200:/)
    writeFileSync(path('gap'), lines.filter((_, n) => n !== 50).join('\n'))
    const gap = await oncekey(['audit', 'verify', '--file', path('gap')])
    assert.match(gap.stdout, /^BROKEN acme: missing at 51: entry 51 is missing/)
    assert.equal(gap.code, 1)
  })

  test('begins with --since, in the middle of a chain', async () => {
    const [row] = await database.run(
      (sql) => sql`SELECT oncekey_audit_time(max(at)) AS last FROM audit_log WHERE client = 'acme'`,
    )
    const lines = (await ok('export', '--since', String(row?.last), '--client', 'acme')).trimEnd().split('\n')
    assert.ok(lines.length >= 1 && lines.length < 620)
    const [first] = lines.map((line) => JSON.parse(line))
    assert.equal(first.seq, 621 - lines.length)
    assert.notEqual(first.prev_hash, '0'.repeat(64))
    writeFileSync(path('since'), lines.join('\n'))
    assert.equal((await oncekey(['audit', 'verify', '--file', path('since')])).code, 0)
    assert.equal(await ok('export', '--since', '2999-01-01T00:00:00Z'), '')
  })

  test('that is none is refused, naming the line', async () => {
    const [entry = ''] = (await ok('export', '--client', 'acme')).split('\n')
    for (const [text, line] of [
      ['not JSON\n', 1],
      ['\n{"client":"acme"}\n', 2],
      // Readers that take the first of them would see another entry than the one whose hash is right.
      [`${entry}\n${entry.replace('{', '{"entry":"{}",')}`, 2],
    ] as const) {
      writeFileSync(path('none'), text)
      const { code, stderr } = await oncekey(['audit', 'verify', '--file', path('none')])
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`none, line ${line}: is not an entry of an export`))
    }
    const { code, stderr } = await oncekey(['audit', 'verify', '--file', path('nowhere')])
    assert.equal(code, 1)
    assert.match(stderr, /^oncekey audit: .*ENOENT/)
  })
})

test('heads that were kept find what was cut together with the record of its end', async () => {
  const heads = await ok('heads')
  writeFileSync(path('heads'), heads)
  await ok('verify', '--heads', path('heads'))
  const cut = `DELETE FROM audit_log WHERE client = 'other' AND seq = 3; UPDATE audit_heads SET seq = 2,
    hash = (SELECT hash FROM audit_log WHERE client = 'other' AND seq = 2) WHERE client = 'other'`
  await tampered(database, cut, async () => {
    assert.equal((await audit('verify')).code, 0)
    const { code, stdout } = await audit('verify', '--heads', path('heads'))
    assert.equal(code, 1)
    assert.match(stdout, /^BROKEN other: cut_off at 3: entry 3 is missing at the end: it was noted/m)
    const [, line = ''] = heads.split('\n')
    const own = await audit('verify', '--client', 'other', '--head', line.slice('other:'.length))
    assert.equal(own.code, 1)
  })
})

describe('a command line that is not right', () => {
  for (const [args, said] of [
    [[], /say verify, heads or export/],
    [['check'], /there is no check: verify, heads or export/],
    [['__proto__'], /there is no __proto__/],
    [['verify', 'acme'], /verify takes no names/],
    [['heads', '--file', 'x'], /heads takes no --file/],
    [['export', '--json'], /export takes no --json/],
    [['verify', '--client', 'a b'], /--client a b: must be 1 to 64/],
    [['verify', '--head', '3'], /--head 3: must be ID:SEQ:HASH/],
    [['export', '--since', 'yesterday'], /--since yesterday: must be a time/],
    [['export', '--since', '2026-02-30T00:00:00Z'], /must be a time/],
    [['verify', '--heads', 'nowhere'], /--heads nowhere: ENOENT/],
    [['verify', '--heads', '/dev/null'], /--heads \/dev\/null: there are no heads in it/],
  ] as [string[], RegExp][]) {
    // In this process: nothing is opened before the command line is read.
    test(`${args.join(' ') || 'nothing'} is refused, saying why`, () => assert.rejects(run(args), said))
  }
  test('ends with 1 and goes to standard error', async () => {
    const { code, stdout, stderr } = await audit('verify', '--client', 'nobody')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^oncekey audit: there are no entries of client nobody$/m)
  })
  test('--help explains, and ends with 0', async () => {
    assert.match(await ok('--help'), /^Usage: oncekey audit verify/)
  })
})
