import assert from 'node:assert/strict'
import { createDecipheriv, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { open, parseSealKey, type SealKey, seal } from '../../internal/signature/seal.ts'

const KEY_BYTES = Buffer.alloc(32, 7)
const KEY = parseSealKey(KEY_BYTES.toString('base64'))
const PLACE = { client: 'acme', secretId: '0123456789ab' }
const SECRET = 'oks_pässword-ключ'

const sealed = (nonce = randomBytes(12)) => seal(SECRET, PLACE, KEY, nonce)
const opened = (bytes: Buffer, place = PLACE, key: SealKey = KEY) => open(bytes, place, key).toString('utf8')

test('a sealed secret opens with its key, for its client and id', () => {
  assert.equal(opened(sealed().bytes), SECRET)
  assert.equal(sealed().keyId, KEY.id)
})

test('a seal is AES-256-GCM: nonce, ciphertext and tag, with client and id as associated data', () => {
  const { bytes } = sealed(Buffer.alloc(12, 3))
  assert.deepEqual(bytes.subarray(0, 12), Buffer.alloc(12, 3))
  const decipher = createDecipheriv('aes-256-gcm', KEY_BYTES, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from('oncekey client secret\nacme\n0123456789ab'))
  decipher.setAuthTag(bytes.subarray(-16))
  const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
  assert.equal(text.toString('utf8'), SECRET)
  assert.ok(!bytes.includes(SECRET))
})

test('a seal opens neither for another client nor under another id, even if both joined give the same text', () => {
  const { bytes } = sealed()
  for (const place of [
    { ...PLACE, client: 'zeta' },
    { ...PLACE, secretId: 'ba9876543210' },
    { client: 'acme0', secretId: '123456789ab' },
    { client: '', secretId: 'acme0123456789ab' },
  ]) {
    assert.throws(() => opened(bytes, place), inspect(place))
  }
})

test('a seal opens neither with another key nor after a changed bit', () => {
  const { bytes } = sealed()
  assert.throws(() => opened(bytes, PLACE, parseSealKey(randomBytes(32).toString('base64'))))
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes)
    changed[i] = (changed[i] ?? 0) ^ 1
    assert.throws(() => opened(changed), `byte ${i}`)
  }
  for (const end of [0, 11, 12, 28, bytes.length - 1]) assert.throws(() => opened(bytes.subarray(0, end)))
})

test('a key is 32 bytes in base64 or base64url; its id is a hash, and logging does not print it', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  for (const text of [bytes.toString('base64'), bytes.toString('base64url')]) {
    assert.equal(parseSealKey(text).id, parseSealKey(bytes.toString('base64')).id)
  }
  assert.match(KEY.id, /^[0-9a-f]{16}$/)
  assert.notEqual(KEY.id, parseSealKey(bytes.toString('base64')).id)
  const shown = inspect(KEY, { depth: 9, showHidden: true }) + JSON.stringify(KEY)
  for (const form of ['base64', 'hex', 'latin1'] as const)
    assert.ok(!shown.includes(KEY_BYTES.toString(form)))
})

for (const bad of ['', 'short', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64')]) {
  test(`the key "${bad}" is refused`, () => {
    assert.throws(() => parseSealKey(bad), /must be 32 bytes in base64/)
  })
}
