import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { DEMO_OPERATOR_TOKEN } from '../../src/config/demo.ts'
import { ROUTES, type Route, scopeOf } from '../../src/service/routes.ts'
import { assertProblem, one } from '../support/raw-http.ts'
import { signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

/** A request to the route that is valid except for its query. */
function requestTo({ method, path, auth, json }: Route, query: string): Buffer {
  const target = path.replace(/:\w+/g, 'x') + query
  const body = json === undefined ? '' : '{}'
  const signed = { method, target, body, contentType: 'application/json' }
  if (auth === 'signature' || auth === 'caller' || auth === 'payer') return signedOrder(signed)
  const headers = auth === 'operator' ? [`Authorization: Bearer ${DEMO_OPERATOR_TOKEN}`] : []
  return signedOrder({ ...signed, signature: undefined, headers })
}

describe('an unknown query parameter is refused by name', () => {
  for (const route of ROUTES) {
    test(scopeOf(route), async () => {
      const known = (route.query ?? []).map((name) => `&${name}=1`).join('')
      const response = await one(port, requestTo(route, `?from=2026-01-01${known}`))
      const { detail } = assertProblem(response, 400, 'invalid_request')
      assert.match(detail, /does not support the query parameter "from"\./)
    })
  }

  test('only after authentication: a wrong signature is 401', async () => {
    const response = await one(port, signedOrder({ target: '/orders?from=1', secret: 'another secret' }))
    assertProblem(response, 401, 'signature_invalid')
  })

  test('and the request has no effect', async () => {
    assertProblem(await one(port, signedOrder({ target: '/orders?from=1' })), 400, 'invalid_request')
    assert.deepEqual(await world.orders(), [])
  })
})
