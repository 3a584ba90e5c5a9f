import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { entryJson, parseCursor, parseEventType } from '../../internal/audit/audit-logs.ts'
import { ChainCheck, type ChainEntry, entryHash, NO_HASH } from '../../internal/audit/chain.ts'
import { type ExportedEntry, verifyExport } from '../../internal/audit/verify-chains.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { parseNoted } from '../../src/cli/audit-heads.ts'

const AT = '2026-01-01T00:00:00.000Z'

/** A sound chain of this length. */
function chain(length: number, client = 'acme'): ExportedEntry[] {
  const entries: ExportedEntry[] = []
  for (let seq = 1; seq <= length; seq++) {
    const previousHash = entries.at(-1)?.hash ?? NO_HASH
    const rest = { client, seq, at: AT, eventType: 'payment.refused', entry: `{"n":${seq}}` }
    entries.push({ ...rest, hash: entryHash(previousHash, rest), previousHash })
  }
  return entries
}

async function verify(
  entries: readonly ExportedEntry[],
  noted = new Map<string, { seq: number; hash: string }[]>(),
) {
  const reports = []
  async function* each() {
    yield* entries
  }
  for await (const report of verifyExport(each(), { noted })) reports.push(report)
  return reports
}

test('the hash covers the bytes that --help describes', () => {
  const entry = { client: 'acme', seq: 1, at: AT, eventType: 'payment.completed', entry: '{"text":"ä 😀"}' }
  const text = `acme\n1\n${AT}\npayment.completed\n{"text":"ä 😀"}`
  const first = createHash('sha256').update(Buffer.alloc(32)).update(text, 'utf8').digest('hex')
  assert.equal(entryHash(NO_HASH, entry), first)
  const second = createHash('sha256')
    .update(Buffer.from(first, 'hex'))
    .update(text.replace('\n1\n', '\n2\n'), 'utf8')
  assert.equal(entryHash(first, { ...entry, seq: 2 }), second.digest('hex'))
})

describe('a check', () => {
  const entries = chain(5)
  const run = (shown: readonly ChainEntry[], check = new ChainCheck([])) => {
    for (const entry of shown) {
      const fault = check.next(entry)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  for (const member of ['client', 'at', 'eventType', 'entry', 'hash'] as const) {
    test(`notices another ${member}`, () => {
      const changed = entries.map((one) =>
        one.seq === 3 ? { ...one, [member]: one[member].replace(/.$/, 'x') } : one,
      )
      assert.deepEqual([run(changed)?.kind, run(changed)?.seq], ['changed', 3])
    })
  }
  test('finds no fault in a sound chain, with its head or without', () => {
    const check = new ChainCheck([{ seq: 2, hash: entries[1]?.hash ?? '' }])
    assert.equal(run(entries, check), undefined)
    assert.equal(check.end({ seq: 5, hash: entries[4]?.hash ?? '' }), undefined)
    assert.equal(check.end(undefined), undefined)
    assert.equal(new ChainCheck([]).end({ seq: 0, hash: NO_HASH }), undefined)
    assert.equal(new ChainCheck([]).end(null), undefined)
  })
})

describe('an export', () => {
  test('is followed client by client', async () => {
    const reports = await verify([...chain(3, 'a'), ...chain(2, 'b')])
    assert.deepEqual(
      reports.map(({ client, entries, fault }) => [client, entries, fault]),
      [
        ['a', 3, null],
        ['b', 2, null],
      ],
    )
  })
  test('may begin in the middle of a chain, which is reported', async () => {
    const [report] = await verify(chain(9).slice(4))
    assert.deepEqual([report?.from, report?.entries, report?.head.seq, report?.fault], [5, 5, 9, null])
  })
  for (const [what, entries, kind, seq] of [
    ['a gap', chain(5).filter(({ seq }) => seq !== 3), 'missing', 3],
    ['an entry twice', chain(5).flatMap((one) => (one.seq === 3 ? [one, one] : [one])), 'inserted', 3],
    ['another order', [0, 2, 1].flatMap((n) => chain(3).slice(n, n + 1)), 'missing', 2],
    [
      'another hash before it',
      chain(5).map((one) => (one.seq === 4 ? { ...one, previousHash: 'b'.repeat(64) } : one)),
      'changed',
      4,
    ],
    [
      'a first entry that follows nothing',
      chain(5)
        .slice(2)
        .map((one) => (one.seq === 3 ? { ...one, previousHash: 'b'.repeat(64) } : one)),
      'changed',
      3,
    ],
  ] as [string, ExportedEntry[], string, number][]) {
    test(`with ${what} is broken there`, async () => {
      const [report] = await verify(entries)
      assert.deepEqual([report?.fault?.kind, report?.fault?.seq], [kind, seq])
    })
  }
  test('that was cut is detected by a noted head', async () => {
    const entries = chain(5)
    const noted = new Map([['acme', [{ seq: 5, hash: entries[4]?.hash ?? '' }]]])
    assert.equal((await verify(entries, noted))[0]?.fault, null)
    const [cut] = await verify(entries.slice(0, 4), noted)
    assert.deepEqual([cut?.fault?.kind, cut?.fault?.seq, cut?.entries], ['cut_off', 5, 4])
  })
  test('with the entries of a client in two places is refused', async () => {
    const mixed = [...chain(1, 'a'), ...chain(1, 'b'), ...chain(2, 'a').slice(1)]
    await assert.rejects(verify(mixed), /the entries of client a are not together/)
  })
})

describe('noted heads', () => {
  const hash = 'a1'.repeat(32)
  test('name their client, or belong to that of --client', () => {
    assert.deepEqual(
      [...parseNoted([`acme:3:${hash}`, `acme:5:${hash}`], undefined, undefined)],
      [
        [
          'acme',
          [
            { seq: 3, hash },
            { seq: 5, hash },
          ],
        ],
      ],
    )
    assert.deepEqual(
      [...parseNoted([`3:${hash.toUpperCase()}`, `b:5:${hash}`], undefined, 'acme')],
      [['acme', [{ seq: 3, hash }]]],
    )
  })
  for (const text of [
    '',
    hash,
    `0:${hash}`,
    `3:${hash.slice(1)}`,
    `a b:3:${hash}`,
    `3:${hash}:`,
    `-1:${hash}`,
  ]) {
    test(`${JSON.stringify(text.replaceAll('a1', ''))} is none`, () => {
      assert.throws(() => parseNoted([text], undefined, 'acme'), /must be ID:SEQ:HASH/)
    })
  }
  test('without a client are refused, and so is a file that is not there', () => {
    assert.throws(() => parseNoted([`3:${hash}`], undefined, undefined), /says no client/)
    assert.throws(() => parseNoted([], '/does/not/exist', undefined), /--heads .*ENOENT/)
  })
})

describe('GET /api/v1/audit-logs', () => {
  const refused = (error: unknown) => error instanceof ServiceError && error.code === 'invalid_request'
  test('shows the members of an entry as they were written', () => {
    const rest = { seq: 7, at: AT, eventType: 'payment.completed', hash: 'ab' }
    const json = entryJson({ ...rest, entry: ' {"amount" : 19.90, "n": 12345678901234567890} \n' })
    assert.equal(
      json,
      `{"seq":7,"at":"${AT}","event_type":"payment.completed","amount" : 19.90, "n": 12345678901234567890,"hash":"ab"}`,
    )
    for (const entry of ['{}', '{ }', ' {\n} ']) {
      assert.deepEqual(Object.keys(JSON.parse(entryJson({ ...rest, entry }))), [
        'seq',
        'at',
        'event_type',
        'hash',
      ])
    }
  })
  test('takes the cursors that it gave', () => {
    assert.equal(parseCursor(undefined), undefined)
    assert.equal(parseCursor('1'), 1)
    assert.equal(parseCursor('999999999999999'), 999_999_999_999_999)
  })
  for (const cursor of [
    '',
    '0',
    '-1',
    '01',
    '1.5',
    '1e3',
    ' 1',
    '1\n',
    'next',
    '1'.repeat(16),
    ['1', '2'],
    [],
  ]) {
    test(`a cursor of ${JSON.stringify(cursor)} is refused`, () => {
      assert.throws(() => parseCursor(cursor), refused)
    })
  }
  test('takes any type of the grammar', () => {
    for (const type of [undefined, 'payment.completed', 'other', 'a.b.c_d'])
      assert.equal(parseEventType(type), type)
  })
  for (const type of [
    '',
    'Payment',
    'payment.',
    '.x',
    'payment.*',
    'a b',
    "x'",
    'x\n',
    'x'.repeat(65),
    ['a', 'b'],
  ]) {
    test(`an event_type of ${JSON.stringify(type).slice(0, 20)} is refused`, () => {
      assert.throws(() => parseEventType(type), refused)
    })
  }
})
