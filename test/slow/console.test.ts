import assert from 'node:assert/strict'
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openDatabase } from '../../internal/database/database.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import type { KeyId } from '../../internal/idempotency/store.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { startBrowser } from '../support/chromium.ts'
import { consoleOf, submit, WAIT } from '../support/console-page.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { createDatabase, freePort, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const TOKEN = 'the-token-of-the-tests'
const [browser, place] = await Promise.all([startBrowser(), createDatabase()])
const ACME = { secrets: ['a secret of acme'], limits: 'client=600/60s' }
const clientsFile = join(mkdtempSync(join(tmpdir(), 'oncekey-console-')), 'clients.json')
writeFileSync(clientsFile, JSON.stringify({ acme: ACME }))
const service = await startService({
  DATABASE_URL: place.url,
  CLIENTS_FILE: clientsFile,
  OPERATOR_TOKEN: TOKEN,
  RATE_LIMITS: 'client=90/60s',
})
const { url } = service
const { open, signedIn } = consoleOf(browser, url, TOKEN)
const database = openDatabase(place.url)
const keys = postgresStore(database, { ttlMs: 60_000 })
const records = postgresRecords(database, { ttlMs: 60_000 })
after(async () => {
  await Promise.all([browser.close(), service.stop(), database.close()])
  await place.drop()
  rmSync(dirname(clientsFile), { recursive: true })
})

const authorized = { Authorization: `Bearer ${TOKEN}` }

/** A request of the sidecar that was sent and never got a response. */
async function unknownKey(key: string): Promise<KeyId> {
  const id = { client: 'shop', scope: 'POST /charges', key }
  const token = randomBytes(16).toString('hex')
  await keys.claim(id, randomBytes(32).toString('hex'), token, 30_000)
  await keys.dispatch(id, token)
  await keys.release(id, token, { unknown: 'backend_timeout' })
  return id
}

/** A payment that the gateway did not tell about for a day. */
async function unknownPayment(key: string): Promise<string> {
  const store = paymentStore(database, { settleMs: 60_000 })
  const id = randomUUID()
  const payment = {
    client: 'shop',
    id,
    scope: 'POST /api/v1/payments',
    key,
    state: 'processing' as const,
    amount: '12.5',
    currency: 'EUR',
    userId: undefined,
    description: undefined,
    paymentMethod: '****4242',
    metadata: undefined,
    gatewayKey: randomBytes(32).toString('hex'),
    createdAt: new Date(),
  }
  const fingerprint = randomBytes(32).toString('hex')
  await store.begin({ payment, fingerprint, requestId: undefined })
  const turn = { client: 'shop', id, attempt: 1, requestId: undefined }
  // Asked again in ten minutes, its slowest pace: the completer of the service leaves it alone. It takes at once what is
  // to be asked about later than that, because then a clock was put back.
  const leaving = {
    state: 'unknown',
    checkMs: 600_000,
    by: 'completer',
    reason: 'no response for a day',
  } as const
  assert.ok(await store.leaveOpen(turn, leaving))
  await database.run((sql) => sql`UPDATE payments SET sent_at = sent_at - interval '1 day' WHERE id = ${id}`)
  return id
}

async function search(page: Page, client: string, key: string): Promise<string> {
  await page.fill('#search-client', client)
  await page.fill('#search-key', key)
  await page.click('#search button')
  await page.locator('#found h3').first().waitFor(WAIT)
  return await page.innerText('#found')
}

describe('the console', () => {
  test('shows nothing to who has no token, and says that a wrong one is wrong', async () => {
    const { page } = await open()
    await page.fill('#token', 'wrong')
    await page.fill('#name', 'Ada')
    await page.click('#sign-in button')
    await page.waitForSelector('#sign-in-fault:not(:empty)', WAIT)
    assert.match(await page.innerText('#sign-in-fault'), /token is not valid/)
    assert.equal(await page.isVisible('#board'), false)
    for (const path of ['overview', 'key?client=default&key=a']) {
      const { status, body } = await send(`${url}/console/api/${path}`)
      assert.equal(status, 401)
      assert.doesNotMatch(body.toString(), /nodes|records/)
    }
    await page.close()
  })

  test('the page runs nothing but its own files, stands in no frame, and keeps the token nowhere', async () => {
    const { headers } = await send(`${url}/console`)
    const policy = String(headers['content-security-policy'])
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
    ]) {
      assert.ok(policy.split('; ').includes(part), part)
    }
    assert.match(policy, /frame-ancestors 'none'/)
    const { page, complaints } = await signedIn()
    const kept = await page.evaluate(
      '[localStorage.length, sessionStorage.length, document.cookie, location.search, document.querySelector("#token").value]',
    )
    assert.deepEqual(kept, [0, 0, '', '', ''])
    await page.click('#sign-out')
    assert.equal(await page.isVisible('#board'), false)
    assert.equal(await page.innerText('body').then((text) => text.includes('requests a second')), false)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('counts requests by outcome, tells the client and where it stands, and the node', async () => {
    const key = newKey()
    for (let i = 0; i < 3; i++) await postOrder(url, key, orderBody())
    await postOrder(url, key, orderBody({ item: 'pen' }))
    await send(`${url}/orders`, { method: 'POST', body: '{}' })
    const { page, complaints } = await signedIn()
    const legend = /answered [1-9]\d*.*replayed [2-9].*conflict [1-9].*refused [1-9]/s
    await page.locator('#legend').filter({ hasText: legend }).waitFor(WAIT)
    assert.match(await page.innerText('#clients'), /default[\s\S]*all client \d+\/90/)
    assert.match(await page.innerText('#nodes'), new RegExp(`-${service.pid}-[\\s\\S]*live`))
    assert.match(await page.innerText('#tiles'), /closed\s+gateway breaker/i)
    assert.ok((await page.locator('#plot rect.replayed').count()) > 0)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('a client with limits of its own stands in those, and another in the limits of everybody', async () => {
    const body = orderBody()
    const signature = createHmac('sha256', ACME.secrets[0] ?? '')
      .update(body)
      .digest('hex')
    const own = { 'X-Client-Id': 'acme', 'X-Signature': signature, 'Idempotency-Key': newKey() }
    const headers = { 'Content-Type': 'application/json', ...own }
    assert.equal((await send(`${url}/orders`, { method: 'POST', headers, body })).status, 201)
    assert.equal((await postOrder(url, newKey(), body)).status, 201)
    const { page, complaints } = await signedIn()
    const row = (client: string) => page.locator('#clients tr', { hasText: client })
    await row('acme').waitFor(WAIT)
    assert.match(await row('acme').innerText(), /all client 599\/600/)
    assert.equal(await row('acme').locator('meter').getAttribute('max'), '600')
    assert.match(await row('default').innerText(), /all client \d+\/90/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('finds the whole life of a key by the key and by the id of the order, of the right client only', async () => {
    const key = newKey()
    const { body } = await postOrder(url, key, orderBody({ item: '<img src=x onerror=alert(1)>' }))
    await postOrder(url, key, orderBody({ item: 'another' }))
    const id = /"id":"([^"]+)"/.exec(body.toString())?.[1] ?? ''
    const { page, complaints } = await signedIn()
    for (const text of [key, id]) {
      const found = await search(page, 'default', text)
      // With the keys in PostgreSQL the row of the order is the record of its key.
      assert.doesNotMatch(found, /Record of POST \/orders/)
      assert.match(found, new RegExp(`Order\\s+Id\\s+${id}`))
      assert.ok(found.includes('<img src=x'))
    }
    await page.click('#found summary')
    assert.ok((await page.innerText('#found pre')).includes(`"idempotency_key":"${key}"`))
    assert.match(await search(page, 'somebody', key), /Nothing is known of it/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an operator resolves a key whose outcome is unknown: the response is replayed, and the trail says who and why', async () => {
    const id = await unknownKey(newKey())
    const { page, complaints } = await signedIn()
    const row = page.locator('#open tr', { hasText: id.key })
    await row.getByText('Resolve…').click(WAIT)
    await page.fill('#dialog input[name=status]', '201')
    await page.fill('#dialog textarea', '{"charge":"c1"}')
    await page.fill('#dialog input[name=reason]', 'seen in the books')
    await submit(page)
    await row.waitFor({ state: 'detached', ...WAIT })
    const response = await records.response(id)
    assert.deepEqual([response?.status, response?.body.toString()], [201, '{"charge":"c1"}'])
    await page.fill('#search-scope', id.scope)
    const found = await search(page, 'shop', id.key)
    assert.match(found, /Resolved by\s+Ada/)
    assert.match(found, /key\.resolved #\d+[\s\S]*operator: Ada · reason: seen in the books · status: 201/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an operator releases a key only after saying that it is certain', async () => {
    const id = await unknownKey(newKey())
    const { page, complaints } = await signedIn()
    const row = page.locator('#open tr', { hasText: id.key })
    await row.getByText('Release…').click(WAIT)
    await page.fill('#dialog input[name=reason]', 'the backend never saw it')
    await page.click('#dialog button[type=submit]')
    assert.equal((await records.show(id))?.state, 'unknown')
    await page.check('#dialog input[type=checkbox]')
    await submit(page)
    await row.waitFor({ state: 'detached', ...WAIT })
    assert.equal(await records.show(id), undefined)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an operator says what became of a payment, and the trail says who', async () => {
    const [charged, refused] = [newKey(), newKey()]
    const [chargedId] = [await unknownPayment(charged), await unknownPayment(refused)]
    const { page, complaints } = await signedIn()
    const row = (key: string) => page.locator('#open tr', { hasText: key })
    await row(charged).getByText('It was charged…').click(WAIT)
    await page.fill('#dialog input[name=charge]', 'ch_42')
    await page.fill('#dialog input[name=reason]', 'seen at the gateway')
    await submit(page)
    await row(charged).waitFor({ state: 'detached', ...WAIT })
    await row(refused).getByText('It was not…').click(WAIT)
    await page.fill('#dialog input[name=reason]', 'not at the gateway')
    await submit(page)
    await row(refused).waitFor({ state: 'detached', ...WAIT })
    const found = await search(page, 'shop', chargedId)
    assert.match(found, /State\s+completed[\s\S]*Charge\s+ch_42[\s\S]*Answered with 200/)
    assert.match(found, /payment\.recovered #\d+[\s\S]*by: operator:Ada · reason: seen at the gateway/)
    assert.match(await search(page, 'shop', refused), /State\s+declined[\s\S]*Answered with 402/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  for (const [scheme, width] of [
    ['light', 1_280],
    ['dark', 390],
  ] as const) {
    test(`${scheme}, ${width} pixels wide, it can be read and fits`, async () => {
      const { page, complaints } = await signedIn(scheme, width)
      const [paper, text] = await Promise.all(['background-color', 'color'].map((one) => shade(page, one)))
      assert.ok(Math.abs((paper ?? 0) - (text ?? 0)) > 120, `${text} on ${paper}`)
      assert.equal((paper ?? 0) > 128, scheme === 'light')
      assert.ok(await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'))
      assert.deepEqual(complaints, [])
      await page.close()
    })
  }
})

/** The mean of red, green and blue of a tile, 0 to 255. */
async function shade(page: Page, property: string): Promise<number> {
  const value = await page.evaluate<string>(
    `getComputedStyle(document.querySelector('.tile')).getPropertyValue('${property}')`,
  )
  const [red = 0, green = 0, blue = 0] = (value.match(/\d+/g) ?? []).map(Number)
  return (red + green + blue) / 3
}

describe('the requests of the console', () => {
  const change = (path: string, body: object) =>
    send(`${url}/console/api/${path}`, {
      method: 'POST',
      headers: { ...authorized, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  const noted = { by: 'Ada', reason: 'seen' }

  test('a key that has changed since it was shown is left alone', async () => {
    const id = await unknownKey(newKey())
    const { status, body } = await change('keys/resolve', { ...id, ...noted, seen: 'something else' })
    assert.deepEqual([status, body.toString()], [200, '{"done":false}'])
    assert.equal((await records.show(id))?.state, 'unknown')
    const shown = (await send(`${url}/console/api/overview`, { headers: authorized })).body.toString()
    const held = (await records.show(id))?.held ?? 'none'
    assert.ok(shown.includes(id.key))
    assert.ok(!shown.includes(held), 'the token of a key is shown')
  })

  test('a payment that is still being asked about, or has another attempt by now, is left alone', async () => {
    const id = await unknownPayment(newKey())
    const settling = { client: 'shop', id, ...noted, state: 'declined' }
    assert.equal(
      (await change('payments/settle', { ...settling, attempt: 2 })).body.toString(),
      '{"done":false}',
    )
    await database.run((sql) => sql`UPDATE payments SET state = 'processing' WHERE id = ${id}`)
    assert.equal(
      (await change('payments/settle', { ...settling, attempt: 1 })).body.toString(),
      '{"done":false}',
    )
  })

  test('nothing is changed without a name, a reason, a token or JSON', async () => {
    const id = await unknownKey(newKey())
    const { status } = await change('keys/resolve', { ...id, seen: 'x', by: '', reason: 'seen' })
    assert.equal(status, 422)
    assert.equal((await change('keys/resolve', { ...id, seen: 'x', by: 'Ada' })).status, 422)
    const body = JSON.stringify({ ...id, ...noted, seen: 'x' })
    const path = `${url}/console/api/keys/resolve`
    assert.equal((await send(path, { method: 'POST', headers: authorized, body })).status, 415)
    assert.equal((await send(path, { method: 'POST', body })).status, 401)
    const payment = { client: 'shop', id: randomUUID(), attempt: 1, state: 'completed', ...noted }
    assert.equal((await change('payments/settle', payment)).status, 422)
    assert.equal((await records.show(id))?.state, 'unknown')
  })
})

test('in production the console is on the private listener, and only with a token', async () => {
  const production = {
    NODE_ENV: 'production',
    SIMULATED_GATEWAY: 'on',
    HOST: '127.0.0.1',
    HMAC_SECRET: 'a-secret-of-our-own',
    DATABASE_URL: place.url,
    API_KEYS: 'none',
    METRICS_PORT: String(await freePort()),
  }
  const privately = `http://127.0.0.1:${production.METRICS_PORT}/console`
  const closed = await startService(production)
  assert.equal((await send(`${closed.url}/console`)).status, 404)
  assert.equal((await send(privately)).status, 404)
  await closed.stop()
  const opened = await startService({ ...production, OPERATOR_TOKEN: TOKEN })
  assert.equal((await send(`${opened.url}/console`)).status, 404)
  assert.equal((await send(privately)).status, 200)
  assert.equal((await send(`${privately}/api/overview`, { headers: authorized })).status, 200)
  assert.ok(!opened.log().includes(TOKEN))
  await opened.stop()
})

test('of several workers, with the keys in Redis, the private listener shows all and finds what each did', async () => {
  const [redis, own, port] = await Promise.all([startRedis(), createDatabase(), freePort()])
  const settings = { DATABASE_URL: own.url, REDIS_URL: redis.url, WORKERS: '2', METRICS_PORT: String(port) }
  const workers = await startService({ ...settings, OPERATOR_TOKEN: TOKEN })
  const ask = async (path: string) =>
    (await send(`http://127.0.0.1:${port}/console/api/${path}`, { headers: authorized })).body.toString()
  const key = newKey()
  const first = await postOrder(workers.url, key, orderBody())
  await until('both workers have reported', async () => {
    const nodes = [...(await ask('overview')).matchAll(/"live":true/g)]
    return nodes.length === 2
  })
  await until('the client is among the busiest', async () => /"client":"default"/.test(await ask('overview')))
  assert.match(await ask('overview'), /"group":"orders","name":"client","quota":10,"remaining":9/)
  const life = await ask(`key?client=default&key=${key}`)
  assert.match(life, /"state":"completed"/)
  assert.ok(life.includes(JSON.stringify(first.body.toString())), life)
  assert.equal((await workers.stop()).code, 0)
  await redis.stop()
  await own.drop()
})
