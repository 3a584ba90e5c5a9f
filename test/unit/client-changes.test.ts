import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changesBetween, type StoredClient } from '../../internal/signature/client-changes.ts'
import { permanentSecret, type Scheme } from '../../internal/signature/client-registry.ts'

function clients(list: Record<string, Record<string, number | undefined>>, minScheme?: Scheme) {
  return new Map<string, StoredClient>(
    Object.entries(list).map(([id, secrets]) => [
      id,
      {
        id,
        minScheme,
        secrets: Object.entries(secrets).map(([secret, expiresAtMs]) => ({
          ...permanentSecret(`of ${id}`),
          id: secret,
          expiresAtMs,
        })),
      },
    ]),
  )
}

const NONE = { limits: null, min_scheme: null, secrets_added: [], secrets_retiring: [], secrets_gone: [] }

test('unchanged clients are not reported', () => {
  const same = { acme: { a: undefined, b: 5 } }
  assert.deepEqual(changesBetween(clients(same), clients(same)), [])
})

test('a rotation reports the new secret and the retiring one', () => {
  const changes = changesBetween(
    clients({ acme: { a: undefined } }),
    clients({ acme: { a: 5, b: undefined } }),
  )
  assert.deepEqual(changes, [
    { client: 'acme', change: 'changed', ...NONE, secrets_added: ['b'], secrets_retiring: ['a'] },
  ])
})

test('new and removed clients and secrets are reported, and a changed scheme', () => {
  const before = clients({ gone: { a: undefined }, less: { b: undefined, c: 5 } })
  const after = clients({ new: { d: undefined }, less: { b: undefined } })
  assert.deepEqual(changesBetween(before, after), [
    { client: 'gone', change: 'revoked', ...NONE, secrets_gone: ['a'] },
    { client: 'less', change: 'changed', ...NONE, secrets_gone: ['c'] },
    { client: 'new', change: 'added', ...NONE, secrets_added: ['d'] },
  ])
  const strict = changesBetween(
    clients({ acme: { a: undefined } }),
    clients({ acme: { a: undefined } }, 'v1'),
  )
  assert.deepEqual(strict, [{ client: 'acme', change: 'changed', ...NONE, min_scheme: 'v1' }])
})

test('changed limits are reported', () => {
  const before = clients({ acme: { a: undefined } })
  const [[id, acme] = []] = before
  assert.ok(id !== undefined && acme !== undefined)
  const after = new Map([[id, { ...acme, limits: 'client=600/60s' }]])
  assert.deepEqual(changesBetween(before, after), [
    { client: 'acme', change: 'changed', ...NONE, limits: 'client=600/60s' },
  ])
})
