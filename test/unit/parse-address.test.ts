import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../internal/core/client-address.ts'

const SAME: Record<string, readonly string[]> = {
  '203.0.113.7': [
    '203.0.113.7',
    '203.0.113.7:50001',
    '203.0.113.7:1',
    '::ffff:203.0.113.7',
    '::FFFF:203.0.113.7',
    '[::ffff:203.0.113.7]:443',
    '::ffff:cb00:7107',
    '0:0:0:0:0:ffff:cb00:7107',
  ],
  '2001:db8:0:1::/64': [
    '2001:db8:0:1::',
    '2001:db8:0:1::7',
    '2001:DB8:0:1:0:0:0:7',
    '2001:0db8:0000:0001:ffff:ffff:ffff:ffff',
    '[2001:db8:0:1::7]',
    '[2001:db8:0:1::7]:50001',
    '2001:db8:0:1::192.0.2.1',
  ],
  'fe80:0:0:0::/64': ['fe80::1', 'fe80::1%eth0', '[fe80::1%eth0]:80'],
  '0:0:0:0::/64': ['::', '::1', '[::1]:8080'],
}

for (const [address, spellings] of Object.entries(SAME)) {
  test(`every spelling of ${address} counts as one address`, () => {
    for (const text of spellings) assert.equal(parseAddress(text), address, text)
  })
}

test('two addresses of one /64 count together, two of different ones do not', () => {
  assert.equal(parseAddress('2001:db8::1'), parseAddress('2001:db8::ffff:1'))
  assert.notEqual(parseAddress('2001:db8:0:1::1'), parseAddress('2001:db8:0:2::1'))
})

test('what is no address is none', () => {
  for (const text of [
    '',
    'unknown',
    '_hidden',
    '203.0.113',
    '203.0.113.7.8',
    '203.0.113.07',
    '1:2:3',
    ':::1',
    'localhost',
    '203.0.113.7:',
    '[203.0.113.7',
    'a'.repeat(10_000),
  ]) {
    assert.equal(parseAddress(text), undefined, text)
  }
})
