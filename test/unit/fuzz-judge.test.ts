import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ExpectedEffects } from '../fuzz/expected-effects.ts'
import type { FuzzCase } from '../fuzz/fuzz-case.ts'
import { judge } from '../fuzz/judge.ts'
import { makeCase } from '../fuzz/make-case.ts'
import { proxyGrammar } from '../fuzz/proxy-grammar.ts'
import type { Sent } from '../fuzz/send-case.ts'
import { servicePart } from '../fuzz/service-grammar.ts'
import { shrink } from '../fuzz/shrink.ts'
import { LogWatch } from '../fuzz/watch-log.ts'
import { parseResponses } from '../support/raw-http.ts'

// A fuzzer that finds nothing proves something only if it would have found it.

const CASE: FuzzCase = {
  id: 'a:1',
  kind: 'order',
  mutated: false,
  bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  splits: [],
  requests: 1,
  head: false,
  whole: true,
  unauthorized: true,
  intents: [],
}

const DOCUMENT = {
  type: '/problems/not_found',
  title: 'a',
  status: 404,
  detail: 'b',
  code: 'not_found',
  request_id: 'r',
}

function sent(status: number, lines: string[], body = ''): Sent {
  const head = [`HTTP/1.1 ${status} A`, ...lines, `Content-Length: ${body.length}`, '', body].join('\r\n')
  const { responses } = parseResponses(Buffer.from(head), true, false)
  return { responses, ended: 'sender', hungUp: false, ms: 1 }
}

const ID = 'X-Request-Id: r'
const PROBLEM = 'Content-Type: application/problem+json'

describe('a response is found out', () => {
  for (const [what, response, fault] of [
    ['with 500', sent(500, [ID, PROBLEM], '{}'), /^500/],
    ['with 503', sent(503, [ID, PROBLEM], '{}'), /^503/],
    ['without an id', sent(404, [PROBLEM], JSON.stringify(DOCUMENT)), /X-Request-Id/],
    ['that shows a secret', sent(404, [ID, PROBLEM], 'canary-secret-of-acme'), /secret/],
    ['with a header that came in', sent(404, [ID, 'X-Injected: 1'], ''), /header of the request/],
    ['that is no problem document', sent(404, [ID, 'Content-Type: text/plain'], 'no'), /text\/plain/],
    ['with a body that is none', sent(404, [ID, PROBLEM], '{'), /no problem document/],
    [
      'with a code of its own',
      sent(404, [ID, PROBLEM], JSON.stringify({ ...DOCUMENT, code: 'oops' })),
      /not in the contract/,
    ],
    ['with the code of another status', sent(400, [ID, PROBLEM], JSON.stringify(DOCUMENT)), /400 with/],
    ['that lets in who is not known', sent(200, [ID], '{}'), /no right/],
    ['that is none', { responses: [], ended: 'service', hungUp: false, ms: 1 }, /no response/],
    ['that is cut', { responses: [], fault: 'cut', ended: 'service', hungUp: false, ms: 1 }, /cut/],
  ] satisfies [string, Sent, RegExp][]) {
    test(what, () => assert.match(judge(response, CASE) ?? '', fault))
  }

  test('and one that is right is not', () => {
    assert.equal(judge(sent(404, [ID, PROBLEM], JSON.stringify(DOCUMENT)), CASE), undefined)
  })
})

test('an order that nobody signed for is found out', () => {
  const expected = new ExpectedEffects()
  const body = '{"user_id":"u","item":"i","amount":"19.90"}'
  expected.add([
    { client: 'acme', key: 'k', body },
    { client: 'v0', key: undefined, body },
    { client: 'acme', key: 'broken', body: '{' },
  ])
  const order = { client: 'acme', idempotency_key: 'k', user_id: 'u', item: 'i', amount: '19.9' }
  assert.deepEqual(expected.faultsOf([order, { ...order, client: 'v0', idempotency_key: 'any' }]), [])
  for (const change of [
    { client: 'b' },
    { idempotency_key: 'l' },
    { user_id: 'v' },
    { item: 'j' },
    { amount: '20' },
  ]) {
    assert.equal(expected.faultsOf([{ ...order, ...change }]).length, 1, JSON.stringify(change))
  }
})

test('a log line with a secret, a defect, or what is no line of ours is found out', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-watch-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'log')
  const good = '{"level":"info","msg":"request"}'
  const bad = [
    '{"level":"error","msg":"a"}',
    `{"level":"info","msg":"${'0a'.repeat(32)}"}`,
    'TypeError: a',
    '{}',
  ]
  writeFileSync(path, `${[good, ...bad, `{"level":"info","msg":"canary-secret"}`, good].join('\n')}\n`)
  const watch = new LogWatch(path)
  assert.equal(watch.look().length, 5)
  assert.equal(watch.look().length, 0)
  watch.close()
})

test('the same id makes the same case, another one another case', () => {
  for (const grammar of [servicePart, proxyGrammar(true), proxyGrammar(false)]) {
    const of = (id: string) => makeCase(grammar, id, 1_767_225_600).bytes.toString('latin1')
    const ids = Array.from({ length: 200 }, (_, n) => `a:${n}`)
    assert.deepEqual(ids.map(of), ids.map(of))
    assert.ok(new Set(ids.map(of)).size > 190)
  }
})

test('a case is shrunk to what shows its fault', async () => {
  const bytes = Buffer.from(`${'a'.repeat(100)}b${'a'.repeat(57)}c${'a'.repeat(33)}`)
  const least = await shrink({ bytes }, async (rest) => rest.includes('b') && rest.includes('c'))
  assert.equal(least.toString(), 'bc')
})
