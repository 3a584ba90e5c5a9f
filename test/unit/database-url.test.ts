import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitHosts } from '../../internal/database/database-url.ts'

test('one URL for each host, with the same credentials, database and parameters', () => {
  assert.deepEqual(
    splitHosts('postgres://u:p%2C@a:1,b,[::1]:3/x?sslmode=require&target_session_attrs=primary'),
    [
      'postgres://u:p%2C@a:1/x?sslmode=require',
      'postgres://u:p%2C@b/x?sslmode=require',
      'postgres://u:p%2C@[::1]:3/x?sslmode=require',
    ],
  )
  assert.deepEqual(splitHosts('postgres://u:1,2@a/x?target_session_attrs=read-write'), [
    'postgres://u:1,2@a/x',
  ])
})

test('one host without that parameter stays as it is', () => {
  for (const url of ['postgres://a', 'postgresql:///x', 'postgres://u:p@db:5432/x?prepare=false']) {
    assert.deepEqual(splitHosts(url), [url])
  }
})

test('a host that is none, and a wish for a server that only reads, are refused', () => {
  for (const url of ['postgres://a,b:port/x', 'mysql://a,b/x', 'no', '']) {
    assert.throws(() => splitHosts(url), /must be a URL/, url)
  }
  for (const wish of ['standby', 'read-only', 'any', '']) {
    assert.throws(
      () => splitHosts(`postgres://a,b/x?target_session_attrs=${wish}`),
      /read-write, primary or none/,
    )
  }
})
