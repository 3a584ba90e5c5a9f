import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseRawRequest } from '../../src/cli/raw-request.ts'
import { sign } from '../../src/cli/sign.ts'
import { verify } from '../../src/cli/verify.ts'

const DIRECTORY = mkdtempSync(join(tmpdir(), 'oncekey-options-'))
const MISSING = join(DIRECTORY, 'none')
const NO_REQUEST = join(DIRECTORY, 'no-request')
const NO_HEADER = join(DIRECTORY, 'no-header')
const CHUNKED = join(DIRECTORY, 'chunked')
writeFileSync(NO_REQUEST, '{"amount":500}')
writeFileSync(NO_HEADER, 'GET / HTTP/1.1\nnonsense\n\n')
writeFileSync(CHUNKED, 'POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n')

const BAD: [[typeof sign, ...string[]], RegExp][] = [
  [[sign], /one URL/],
  [[sign, 'orders'], /orders: it must be http/],
  [[sign, '/a b'], /white space/],
  [[sign, '--curl', '/orders'], /needs a URL with its host/],
  [[sign, '--scheme', 'v2', '/'], /--scheme v2/],
  [[sign, '--scheme', 'v0', '/'], /--scheme v0/],
  [[sign, '--client', 'a b', '/'], /--client a b/],
  [[sign, '--key', 'a\nb', '/'], /--key/],
  [[sign, '--scheme', 'rfc9421', '--key', 'é', '/'], /--scheme rfc9421: .*ASCII/],
  [[sign, '-X', 'A B', '/'], /--method A B/],
  [[sign, '--at', 'now', '/'], /--at now/],
  [[sign, '-d', 'x', '--data-file', 'y', '/'], /not both/],
  [[sign, '--data-file', MISSING, '/'], /none: there is no such file/],
  [[sign, '--data-file', DIRECTORY, '/'], /cannot be read \(EISDIR\)/],
  [[sign, '--secret-env', 'NOPE', '/'], /--secret-env NOPE/],
  [[sign, '--secret-file', MISSING, '/'], /--secret-file .*none/],
  [[sign, '--secret', '', '/'], /--secret/],
  [[sign, '--secret', 'a', '--secret-env', 'B', '/'], /one of/],
  [[verify], /one URL, or --request/],
  [[verify, '--request', MISSING], /--request .*none/],
  [[verify, '--request', '-', '/'], /not both/],
  [[verify, '--request', '-', '--key', 'x'], /--key/],
  [[verify, '--request', NO_REQUEST], /must begin with METHOD/],
  [[verify, '--request', NO_HEADER], /is no header/],
  [[verify, '--request', CHUNKED], /Transfer-Encoding/],
  [[verify, '-H', 'nonsense', '/'], /--header "nonsense"/],
  [[verify, '--tolerance', '5', '/'], /--tolerance 5/],
]

before(() => {
  process.env.ONCEKEY_SECRET = 'hunter2-hunter2'
})

after(() => {
  delete process.env.ONCEKEY_SECRET
  rmSync(DIRECTORY, { recursive: true })
})

for (const [[command, ...args], says] of BAD) {
  const shown = args.map((arg) => JSON.stringify(arg.replace(DIRECTORY, 'DIR'))).join(' ')
  test(`${command.name} ${shown} is refused in one line that names it`, async () => {
    await assert.rejects(command(args), (error: unknown) => {
      // Only plain Errors are shown without a stack.
      assert.ok(error instanceof Error && error.constructor === Error, String(error))
      assert.match(error.message, says)
      assert.doesNotMatch(error.message, /hunter2|\n/)
      return true
    })
  })
}

test('without a secret the error names where to set one', async () => {
  delete process.env.ONCEKEY_SECRET
  await assert.rejects(sign(['/']), /there is no secret: set ONCEKEY_SECRET/)
  process.env.ONCEKEY_SECRET = 'hunter2-hunter2'
})

test('a recorded request is read byte for byte, with LF or CR LF', () => {
  for (const eol of ['\n', '\r\n']) {
    const head = ['', 'POST /orders?x=1 HTTP/1.1', 'Host:  a ', 'X-Signature:t=1,v1=ab', '', ''].join(eol)
    const body = Buffer.from([255, 10, 13, 10, 13, 10, 0])
    const { request, notes } = parseRawRequest(Buffer.concat([Buffer.from(head), body]))
    assert.deepEqual([request.method, request.target], ['POST', '/orders?x=1'])
    assert.deepEqual(request.rawHeaders, ['Host', 'a', 'X-Signature', 't=1,v1=ab'])
    assert.deepEqual(request.body.bytes, body)
    assert.deepEqual(notes, [])
  }
  const { request } = parseRawRequest(Buffer.from('GET /orders\nHost: a\n'))
  assert.deepEqual([request.target, request.body.bytes.length], ['/orders', 0])
})

test('a newline that an editor adds after the body is left out and noted', () => {
  const long = parseRawRequest(Buffer.from('POST / HTTP/1.1\ncontent-length: 2\n\n{}\n'))
  assert.equal(long.request.body.bytes.toString(), '{}')
  assert.match(long.notes.join(), /^1 bytes behind the body/)
  const short = parseRawRequest(Buffer.from('POST / HTTP/1.1\nContent-Length: 5\n\n{}'))
  assert.equal(short.request.body.bytes.toString(), '{}')
  assert.match(short.notes.join(), /Content-Length is 5, but the body here has 2 bytes/)
})
