import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { apiKeys, bearerToken, parseApiKeys } from '../../internal/signature/api-keys.ts'

const KEY = 'key-that-must-not-be-shown'

describe('API_KEYS', () => {
  test('API_KEYS names users and their keys; surrounding white space is ignored', () => {
    assert.deepEqual(parseApiKeys(`ann:${KEY}, b.c_d-E9 : 12345678 ,ann:~a+b/c._-==`), [
      { user: 'ann', key: KEY },
      { user: 'b.c_d-E9', key: '12345678' },
      { user: 'ann', key: '~a+b/c._-==' },
    ])
  })

  test('the value none means no keys', () => {
    assert.deepEqual(parseApiKeys('none'), [])
  })

  test('keys of 8 and 255 characters and a user of 64 characters are accepted', () => {
    for (const length of [8, 255]) assert.equal(parseApiKeys(`u:${'k'.repeat(length)}`).length, 1)
    assert.equal(parseApiKeys(`${'u'.repeat(64)}:${KEY}`).length, 1)
  })

  const BAD: [what: string, text: string, rule: RegExp][] = [
    ['no colon', KEY, /entry 1 must be user:key/],
    ['an empty entry', `a:${KEY},`, /entry 2 must be user:key/],
    ['no user', `:${KEY}`, /entry 1 must name a user/],
    ['a user of 65', `${'u'.repeat(65)}:${KEY}`, /entry 1 must name a user/],
    ['a user with a space', `a b:${KEY}`, /entry 1 must name a user/],
    ['a user with a character outside ASCII', `änn:${KEY}`, /entry 1 must name a user/],
    ['key and user in the wrong order', `${KEY}:!:x`, /entry 1 must have a key/],
    ['the name of callers without credentials', `anonymous:${KEY}`, /entry 1 must not name anonymous/],
    ['no key', 'a:', /entry 1 must have a key/],
    ['a key of 7', 'a:1234567', /entry 1 must have a key/],
    ['a key of 256', `a:${'k'.repeat(256)}`, /entry 1 must have a key/],
    ['a key with a space', `a:${KEY} ${KEY}`, /entry 1 must have a key/],
    ['a key with a colon', `a:${KEY}:x`, /entry 1 must have a key/],
    ['a key with = inside', `a:${KEY}=x`, /entry 1 must have a key/],
    ['a key with a character outside ASCII', `a:${KEY}é`, /entry 1 must have a key/],
    ['a key with a line break', `a:${KEY}\nX`, /entry 1 must have a key/],
    ['the same key twice', `a:${KEY},a:${KEY}`, /entry 2 has the same key as entry 1/],
    ['one key of two users', `a:other-key,b:${KEY},c:${KEY}`, /entry 3 has the same key as entry 2/],
  ]
  for (const [what, text, rule] of BAD) {
    test(`${what} is refused, and the error does not quote it`, () => {
      assert.throws(
        () => parseApiKeys(text),
        (error) => {
          assert.ok(error instanceof Error)
          assert.match(error.message, rule)
          assert.ok(!error.message.includes(KEY), error.message)
          return true
        },
      )
    })
  }

  test('all faults are reported in one error', () => {
    assert.throws(() => parseApiKeys(`x,:${KEY},a:1`), /entry 1 .*; entry 2 .*; entry 3 /)
  })
})

describe('the registry', () => {
  const registry = apiKeys(parseApiKeys(`first:${KEY}1,middle:${KEY}2,last:${KEY}3,first:${KEY}4`))

  test('finds the user of a key at any position in the list', () => {
    const found = [1, 2, 3, 4].map((n) => registry.find(`${KEY}${n}`))
    assert.deepEqual(found, ['first', 'middle', 'last', 'first'])
  })

  test('finds no user for a part of a key, a longer text, another case, an empty text, or without keys', () => {
    for (const key of ['', KEY, `${KEY}12`, `${KEY}1 `, `${KEY}1`.toUpperCase(), 'x'.repeat(100_000)])
      assert.equal(registry.find(key), undefined)
    assert.equal(apiKeys([]).find(''), undefined)
  })
})

describe('Authorization', () => {
  test('Bearer in any case, spaces and one token are accepted', () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
      assert.equal(bearerToken(`${scheme} ${KEY}`), KEY)
    }
    assert.equal(bearerToken('Bearer   a.b_c~d+e/f-g=='), 'a.b_c~d+e/f-g==')
  })

  for (const value of [
    '',
    'Bearer',
    'Bearer ',
    'Bearer =',
    'Bearer a b',
    'Bearer a,b',
    'Bearer "a"',
    'Bearer a=b',
    'Bearer a;x=1',
    'Bearer\ta',
    'Bearer a\n',
    'Bearer ä',
    'Bearera',
    ' Bearer a',
    'Basic dXNlcjprZXk=',
    'Digest username="a"',
    'Token a',
    KEY,
    'Bearer a, Bearer b',
  ]) {
    test(`${JSON.stringify(value)} has no token`, () => {
      assert.equal(bearerToken(value), undefined)
    })
  }
})
