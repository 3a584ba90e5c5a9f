import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Scheme } from '../../internal/signature/client-registry.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { newKey, type Reply, send } from '../support/order-client.ts'
import { startBackend, startProxy, type TestBackend } from '../support/proxy.ts'
import type { Service } from '../support/service.ts'

const closing: (() => unknown)[] = []
const t = { after: (close: () => unknown) => void closing.push(close) }
let backend: TestBackend
let proxy: Service
before(async () => {
  backend = await startBackend(t, (res) => void res.end('ok'))
  proxy = await startProxy(t, backend.url, ['--verify', '--require-key', 'POST'])
})
after(() => Promise.all(closing.map((close) => close())))

const BODY = '{"amount":1}'

/** What a partner signs, as a thief sees it. */
function signed(scheme: Scheme, key: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  const request = { method: 'POST', target: '/charge', client: 'default', key, body: BODY, timestamp }
  return Object.fromEntries(signedHeaders(scheme, 'super-secret-key', request))
}

const charge = (headers: Record<string, string>): Promise<Reply> =>
  send(`${proxy.url}/charge`, { method: 'POST', body: BODY, headers })
const say = ({ status, code }: Reply) => `${status} ${code}`

for (const scheme of ['v1', 'rfc9421'] as const) {
  test(`${scheme}: a signed request without a key runs under none that is added to it`, async () => {
    const headers = signed(scheme, '')
    const before = backend.reached.length
    assert.equal(say(await charge(headers)), '400 idempotency_key_missing')
    for (const name of ['X-Idempotency-Key', 'x-idempotency-key', 'Idempotency-Key']) {
      assert.equal(say(await charge({ ...headers, [name]: newKey() })), '401 signature_invalid', name)
    }
    assert.equal(
      say(await charge({ ...headers, X_Idempotency_Key: newKey() })),
      '400 idempotency_key_missing',
    )
    assert.equal(backend.reached.length, before)
  })

  test(`${scheme}: a signed key cannot be replaced by the other header`, async () => {
    const key = newKey()
    const headers = signed(scheme, key)
    const { 'Idempotency-Key': _, ...unnamed } = headers
    assert.equal(say(await charge({ ...unnamed, 'X-Idempotency-Key': newKey() })), '401 signature_invalid')
    const both = { ...headers, 'X-Idempotency-Key': newKey() }
    assert.match(say(await charge(both)), /^40[01] (?:idempotency_key|signature)_invalid$/)
    assert.equal(backend.runs(key), 0)
    assert.equal((await charge(headers)).status, 200)
    assert.equal((await charge(headers)).headers['idempotent-replayed'], 'true')
    assert.equal(backend.runs(key), 1)
  })
}

test('v1: a key in X-Idempotency-Key is signed in the key line', async () => {
  const key = newKey()
  const { 'Idempotency-Key': name = '', ...headers } = signed('v1', key)
  for (const replayed of [undefined, 'true']) {
    const reply = await charge({ ...headers, 'X-Idempotency-Key': name })
    assert.equal(`${reply.status} ${reply.headers['idempotent-replayed']}`, `200 ${replayed}`)
  }
  assert.equal(backend.reached.filter(({ values }) => values('x-idempotency-key')[0] === key).length, 1)
})
