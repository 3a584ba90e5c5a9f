import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { PAY_SCOPE } from '../../internal/payments/payment.ts'
import { ROUTES, type Route, routeOf, scopeOf } from '../../src/service/routes.ts'

const API_PAGE = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')

/** `[route, needs]` of each row below "## Routes". */
function rowsOfPage(): string[][] {
  const section = API_PAGE.split(/^## /m).find((one) => one.startsWith('Routes\n')) ?? ''
  const rows = [...section.matchAll(/^\| (`(?:GET|POST|DELETE|DELETE) .*?) \| (.*?) \|/gm)]
  return rows.flatMap(([, routes = '', needs = '']) =>
    [...routes.matchAll(/`([^`]+)`/g)].map(([, route = '']) => [route, needs]),
  )
}

const NEEDS = {
  signature: 'signature',
  caller: 'API key or signature',
  payer: 'nothing in demo mode, else API key or signature',
  operator: 'operator token',
}

function rowOf({ method, path, query = [], when, auth, key, json }: Route): string[] {
  const asked = query.map((name) => `${name}=`).join('&')
  // v0 covers only the body.
  const scheme = auth === 'signature' && json === undefined ? ' (v1)' : ''
  const needs =
    when === 'demo' ? 'demo mode only' : auth === undefined ? 'nothing' : `${NEEDS[auth]}${scheme}`
  const header = key === 'header' || key === 'strict header' ? ', `Idempotency-Key`' : ''
  return [`${method} ${path}${asked === '' ? '' : `?${asked}`}`, `${needs}${header}`]
}

describe('the table of routes', () => {
  test('is the table in docs/api.md', () => {
    const documented = ROUTES.filter(({ isOfPage }) => isOfPage !== true)
    assert.deepEqual(rowsOfPage().sort(), documented.map(rowOf).sort())
  })

  test('has each method and path, and each operation, only once', () => {
    assert.equal(new Set(ROUTES.map(scopeOf)).size, ROUTES.length)
    assert.equal(new Set(ROUTES.map(({ operation }) => operation)).size, ROUTES.length)
  })

  test('only routes with authentication and a body have a key', () => {
    for (const route of ROUTES.filter(({ key }) => key !== undefined)) {
      assert.ok(route.auth !== undefined && route.auth !== 'operator', scopeOf(route))
      assert.ok(route.json === 'required' && route.limits !== undefined, scopeOf(route))
    }
  })

  test('has the route whose payments show their key', () => {
    assert.equal(scopeOf(routeOf('pay')), PAY_SCOPE)
  })
})
