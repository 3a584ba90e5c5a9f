import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { one } from '../support/raw-http.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'
import { lines, metric } from '../support/workers.ts'

const { service, port, close } = await startServiceOnDatabase()
after(close)

const HIDDEN = 'value-of-a-client'
const REFUSED = [
  {
    bytes: `GET /livez HTTP/1.1\r\nHost: a\r\nX-A: ${HIDDEN}\0\r\n\r\n`,
    status: 400,
    reason: 'invalid_request',
  },
  { bytes: `${HIDDEN}\r\n\r\n`, status: 405, reason: 'method_not_allowed' },
  { bytes: `CONNECT ${HIDDEN}:1 HTTP/1.1\r\nHost: a\r\n\r\n`, status: 405, reason: 'method_not_allowed' },
  {
    bytes: `GET /${HIDDEN.repeat(1_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    status: 431,
    reason: 'headers_too_large',
  },
  {
    bytes: `GET /livez HTTP/1.1\r\nHost: a\r\nExpect: ${HIDDEN}\r\n\r\n`,
    status: 400,
    reason: 'invalid_request',
  },
]

test('what is refused before any route leaves a line without its bytes, and is counted', async () => {
  for (const { bytes, status } of REFUSED) {
    assert.equal((await one(port, bytes)).status, status)
  }
  const told = () => lines(service).filter(({ msg }) => msg === 'request refused')
  await until('the lines are there', () => told().length === REFUSED.length)
  assert.deepEqual(
    told().map(({ reason }) => reason),
    REFUSED.map(({ reason }) => reason),
  )
  assert.ok(!service.log().includes(HIDDEN))
  assert.equal(await metric(service.url, 'http_requests_refused_total'), REFUSED.length)
  assert.equal(await metric(service.url, 'http_requests_refused_total{reason="headers_too_large"}'), 1)
})
