import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookupAddress } from '../../internal/proxy/lookup-address.ts'

const BASE = 'http://ledger:8081/v1/outcome'

test('a key is one segment of the path, percent-encoded', () => {
  const at = lookupAddress(`${BASE}/{key}`)
  assert.equal(at('order-1'), `${BASE}/order-1`)
  assert.equal(at('a:b=c+d @!'), `${BASE}/a%3Ab%3Dc%2Bd%20%40!`)
  assert.equal(at("it's"), `${BASE}/it%27s`)
  assert.equal(at('$&'), `${BASE}/%24%26`)
  assert.equal(at('...'), `${BASE}/...`)
})

test('a key that would make another address, here or at a server that decodes it, has none', () => {
  const at = lookupAddress(`${BASE}/{key}`)
  for (const key of ['.', '..', '../x', 'a/b', '/', 'a\\b', '%2e%2e', '%2e', 'a?b', 'a#b', 'a;b'])
    assert.equal(at(key), undefined, key)
  for (const [template, key] of [
    ['/.{key}', '.'],
    ['/{key}.', '.'],
    ['/{key}{key}', '.'],
    ['/%2e{key}', '.'],
  ] as const) {
    assert.equal(lookupAddress(BASE + template)(key), undefined, template)
    assert.notEqual(lookupAddress(BASE + template)('a'), undefined, template)
  }
})

test('in a query every key can be asked about', () => {
  const at = lookupAddress(`${BASE}?of={key}&v=1`)
  for (let code = 0x20; code < 0x7f; code++) {
    const key = `..${String.fromCharCode(code)}`
    const { searchParams, pathname } = new URL(at(key) ?? assert.fail(key))
    assert.equal(searchParams.get('of'), key)
    assert.equal(searchParams.get('v'), '1')
    assert.equal(pathname, '/v1/outcome')
  }
})

test('an address in which the key is no part of path or query is refused', () => {
  for (const [template, rule] of [
    ['ledger/{key}', /an http URL/],
    ['ftp://ledger/{key}', /an http URL/],
    ['http://{key}/', /in the path or in the query/],
    ['http://{key}.ledger/{key}', /in the path or in the query/],
    ['http://{key}@ledger/', /in the path or in the query/],
    [`${BASE}#{key}`, /no fragment/],
  ] as const) {
    assert.throws(() => lookupAddress(template), rule, template)
  }
  assert.equal(lookupAddress(BASE)('..'), BASE, 'the header alone names the key')
})
