import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { createClient } from '../../src/client.ts'
import { startBrowser } from '../support/chromium.ts'
import { consoleOf, submit, WAIT } from '../support/console-page.ts'
import { send } from '../support/order-client.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'

const TOKEN = 'the-token-of-the-tests'
const MARKUP = '<img src=x onerror=alert(1)>'
const [browser, place] = await Promise.all([startBrowser(), createDatabase()])
const service = await startService({
  DATABASE_URL: place.url,
  OPERATOR_TOKEN: TOKEN,
  API_KEYS: 'ann:key-of-ann-0001,bob:key-of-bob-0001',
  RATE_LIMITS: 'none',
})
const { url } = service
const { signedIn } = consoleOf(browser, url, TOKEN)
const database = openDatabase(place.url)
after(async () => {
  await Promise.all([browser.close(), service.stop(), database.close()])
  await place.drop()
})
const suite = { after: (close: () => unknown) => after(async () => void (await close())) }
const good = await startWebhookReceiver(suite, (response) => void response.end(MARKUP))
const bad = await startWebhookReceiver(suite, (response) => void response.writeHead(500).end('out of order'))

const ann = createClient({ baseUrl: url, apiKey: 'key-of-ann-0001' })
const pay = async () =>
  (await ann.payments.create({ amount: '5.00', currency: 'EUR', payment_method: 'card-4242424242424242' }))
    .payment

async function addEndpoint(apiKey: string, to: string): Promise<string> {
  const { status, body } = await send(`${url}/api/v1/webhook-endpoints`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ url: to }),
  })
  assert.equal(status, 201, body.toString())
  return JSON.parse(body.toString()).webhook_endpoint.id
}

const [goodId, badId] = [
  await addEndpoint('key-of-ann-0001', good.url),
  await addEndpoint('key-of-ann-0001', bad.url),
]
await addEndpoint('key-of-bob-0001', `${good.url}of-bob`)
await pay()
await until('both were tried', () => good.received.length === 1 && bad.received.length >= 1)
const event = good.received[0]?.id ?? ''

/** What an operator did to an endpoint, oldest first. */
async function trail(id: string): Promise<Record<string, unknown>[]> {
  const rows = await database.run(
    (sql) => sql`SELECT event_type, entry FROM audit_log WHERE client = 'ann' ORDER BY seq`,
  )
  return rows
    .map(({ event_type, entry }) => ({ event_type, ...JSON.parse(String(entry)) }))
    .filter(({ endpoint }) => endpoint === id)
    .map(({ id: _, endpoint: __, ...rest }) => rest)
}

describe('the webhooks of the console', () => {
  test('each endpoint is shown with its state; those of one client where it is named', async () => {
    const { page, complaints } = await signedIn()
    const row = (to: string) => page.locator('#endpoints tbody tr').filter({ hasText: to })
    await row(bad.url)
      .filter({ hasText: /failing for/ })
      .waitFor(WAIT)
    assert.match(await row(bad.url).innerText(), /^ann\s[\s\S]*never\s+\d[^\n]* ago\s+1\s+0\s/)
    const healthy = page.locator('#endpoints tbody tr', { hasText: 'ann' }).filter({ hasText: 'enabled' })
    await until('it is delivered', async () =>
      /enabled\s+\d[^\n]* ago\s+never\s+0\s+0\s/.test(await healthy.innerText()),
    )
    assert.equal(await page.locator('#endpoints tbody tr').count(), 3)
    // What fails stands first.
    assert.match(await page.locator('#endpoints tbody tr').first().innerText(), /failing for/)
    await page.fill('#webhooks-client', 'bob')
    await page.click('#webhooks-of button')
    await until('only the one of bob', async () => (await page.locator('#endpoints tbody tr').count()) === 1)
    assert.match(await page.locator('#endpoints tbody').innerText(), /^bob/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('the deliveries of an endpoint are shown, with the response as text', async () => {
    const { page, complaints } = await signedIn()
    await page.locator('#endpoints tr', { hasText: bad.url }).getByText('Deliveries').click(WAIT)
    const failing = page.locator('#deliveries tbody tr')
    await failing.first().waitFor(WAIT)
    assert.match(
      await failing.first().innerText(),
      new RegExp(
        `${event}\\s+payment\\.completed\\s+pending\\s+\\d\\s+500\\s+status 500 out of order\\s+next try in`,
      ),
    )
    await page
      .locator('#endpoints tr', { hasText: 'enabled' })
      .filter({ hasText: 'ann' })
      .getByText('Deliveries')
      .click(WAIT)
    await page.locator('#deliveries tbody tr', { hasText: 'delivered' }).waitFor(WAIT)
    assert.ok((await page.innerText('#deliveries')).includes(MARKUP))
    assert.equal(await page.locator('#deliveries img').count(), 0)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('a phone that has scrolled to a button, and the keyboard that has reached one, stay there', async () => {
    const { page, complaints } = await signedIn('light', 390)
    const button = page.locator('#endpoints tr', { hasText: bad.url }).getByText('Disable…')
    await button.waitFor(WAIT)
    await button.focus()
    const scrolled = "document.querySelector('#endpoints .scroll')"
    const before = await page.evaluate<number>(
      `${scrolled}.classList.add('before'), ${scrolled}.scrollLeft = 10_000, ${scrolled}.scrollLeft`,
    )
    assert.ok(before > 100, `scrolled by ${before}`)
    // The page is filled anew every five seconds.
    await page.locator('#endpoints .before').waitFor({ state: 'detached', ...WAIT })
    // The widths of its columns change with the times in it.
    assert.ok((await page.evaluate<number>(`${scrolled}.scrollLeft`)) > before / 2)
    const focused = "[document.activeElement.textContent, document.activeElement.closest('tr')?.innerText]"
    const [text, row] = await page.evaluate<string[]>(focused)
    assert.equal(text, 'Disable…')
    assert.ok(row?.includes(bad.url), row)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an operator sends one event again, alone, and the trail says who and why', async () => {
    await pay()
    await until('the second event', () => good.received.length === 2)
    const { page, complaints } = await signedIn()
    await page
      .locator('#endpoints tr', { hasText: 'enabled' })
      .filter({ hasText: 'ann' })
      .getByText('Deliveries')
      .click(WAIT)
    await page.locator('#deliveries tr', { hasText: event }).getByText('Send again…').click(WAIT)
    await page.fill('#dialog input[name=reason]', 'the partner lost it')
    await submit(page)
    await until('it came again', () => good.received.length === 3)
    assert.equal(good.received[2]?.id, event)
    assert.deepEqual(await trail(goodId), [
      { event_type: 'webhook_endpoint.replayed', operator: 'Ada', reason: 'the partner lost it', event },
    ])
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an operator disables an endpoint, and sends everything since a time again', async () => {
    const { page, complaints } = await signedIn()
    const row = page.locator('#endpoints tr', { hasText: bad.url })
    await row.getByText('Disable…').click(WAIT)
    await page.fill('#dialog input[name=reason]', 'it is gone')
    await submit(page)
    await row.filter({ hasText: 'disabled: operator' }).waitFor(WAIT)
    const before = bad.received.length
    await row.getByText('Replay…').click(WAIT)
    assert.notEqual(await page.inputValue('#dialog input[name=since]'), '')
    await page.fill('#dialog input[name=since]', '2026-01-01T00:00:00')
    await page.fill('#dialog input[name=reason]', 'it is back')
    await submit(page)
    await until(
      'both events came again',
      () => new Set(bad.received.slice(before).map(({ id }) => id)).size >= 2,
    )
    const [disabled, replayed] = await trail(badId)
    assert.deepEqual(disabled, {
      event_type: 'webhook_endpoint.disabled',
      operator: 'Ada',
      reason: 'it is gone',
    })
    assert.deepEqual([replayed?.event_type, replayed?.reason], ['webhook_endpoint.replayed', 'it is back'])
    assert.match(String(replayed?.since), /^202[56]-(12-31|01-01)T/)
    assert.deepEqual(complaints, [])
    await page.close()
  })
})

describe('the requests of the webhooks of the console', () => {
  const authorized = { Authorization: `Bearer ${TOKEN}` }
  const change = (path: string, body: object) =>
    send(`${url}/console/api/webhooks/${path}`, {
      method: 'POST',
      headers: { ...authorized, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  const noted = { client: 'ann', id: goodId, by: 'Ada', reason: 'a test' }

  test('without the token of the operator there is nothing', async () => {
    for (const headers of [{}, { Authorization: 'Bearer key-of-ann-0001' }]) {
      for (const path of ['', `/deliveries?client=ann&id=${goodId}`]) {
        const { status, body } = await send(`${url}/console/api/webhooks${path}`, { headers })
        assert.equal(status, 401)
        assert.doesNotMatch(body.toString(), /endpoints|deliveries/)
      }
      for (const path of ['replay', 'disable']) {
        const { status } = await send(`${url}/console/api/webhooks/${path}`, {
          method: 'POST',
          headers: { ...headers, 'Content-Type': 'application/json' },
          body: JSON.stringify(noted),
        })
        assert.equal(status, 401)
      }
    }
  })

  test('a change without a name, a reason, an endpoint or a right time changes nothing', async () => {
    const entries = (await trail(goodId)).length
    for (const [path, fault] of [
      ['disable', { by: '' }],
      ['disable', { reason: '' }],
      ['disable', { id: '1' }],
      ['disable', { client: 'a b' }],
      ['disable', { since: '2026-01-01T00:00:00Z' }],
      ['replay', { since: '2026-02-30T00:00:00Z' }],
      ['replay', { event: 'evt_1_created' }],
      ['replay', { event, since: '2026-01-01T00:00:00Z' }],
      ['replay', { event: event.replace(/_\w+$/, '_created') }],
    ] as const) {
      const { status, body } = await change(path, { ...noted, ...fault })
      assert.equal(status, 422, `${path} ${JSON.stringify(fault)}: ${body}`)
    }
    for (const path of ['disable', 'replay']) {
      assert.equal((await change(path, { ...noted, id: randomUUID() })).body.toString(), '{"done":false}')
      assert.equal((await change(path, { ...noted, client: 'bob' })).body.toString(), '{"done":false}')
    }
    assert.equal((await trail(goodId)).length, entries)
  })
})
