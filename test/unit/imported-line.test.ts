import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseImportedLine } from '../../src/cli/imported-line.ts'

test('what a service replays of a response is imported: its type, its coding and its location', () => {
  const line = {
    client: 'shop',
    scope: 'POST /things',
    method: 'POST',
    target: '/things',
    key: 'key-1',
    request_body: '{}',
    status: 201,
    headers: {
      'content-type': 'text/plain',
      'Content-Encoding': 'gzip',
      Location: '/things/1',
      'Set-Cookie': 'a=b',
    },
    body_base64: gzipSync('hello').toString('base64'),
  }
  const { response } = parseImportedLine(JSON.stringify(line), false)
  assert.deepEqual(response.headers, {
    'content-type': 'text/plain',
    'Content-Encoding': 'gzip',
    Location: '/things/1',
  })
})
