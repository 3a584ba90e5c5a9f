import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startBrowser } from '../support/chromium.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const [browser, world] = await Promise.all([startBrowser(), startServiceOnDatabase({ RATE_LIMITS: 'none' })])
after(() => Promise.all([browser.close(), world.close()]))
const { url } = world.service

const SECRET = 'super-secret-key'
const PLACE = '#operations-Orders-placeOrder'
const LIST = '#operations-Orders-listOrders'
const LIMITS = '#operations-Limits_and_retries-getRateLimits'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

interface Watched {
  page: Page
  /** What the browser complained of, beside responses that are errors. */
  complaints: string[]
  /** Statuses of error responses, as the console tells them. */
  refused: string[]
  /** Origins that something was asked of. */
  origins: Set<string>
}

/** The page, fresh, with everything that it does watched. */
async function open(path: string, colorScheme: 'light' | 'dark' = 'light'): Promise<Watched> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1_100, height: 1_000 } })
  const watched: Watched = { page, complaints: [], refused: [], origins: new Set() }
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:') watched.origins.add(origin)
  })
  page.on('console', (message) => {
    const status = /^Failed to load resource: the server responded with a status of (\d+)/.exec(
      message.text(),
    )
    if (status !== null) watched.refused.push(status[1] ?? '')
    else if (['error', 'warning'].includes(message.type())) watched.complaints.push(message.text())
  })
  page.on('pageerror', (error) => watched.complaints.push(error.message))
  page.on('requestfailed', (request) => watched.complaints.push(`${request.url()} failed`))
  await page.addInitScript(
    `addEventListener('securitypolicyviolation', (event) => console.error('CSP', event.violatedDirective, event.blockedURI))`,
  )
  await page.goto(url + path)
  return watched
}

async function tryOut(page: Page, operation: string): Promise<void> {
  await page.click(`${operation} .opblock-summary-control`)
  await page.click(`${operation} .try-out__btn`)
}

/** Clicks Execute and reads what the page shows of the response. */
async function execute(page: Page, operation: string): Promise<{ status: string; text: string }> {
  const [response] = await Promise.all([
    page.waitForResponse((one) => /\/(orders|api\/v1\/)/.test(one.url())),
    page.click(`${operation} .execute`),
  ])
  const id = (await response.allHeaders())['x-request-id'] ?? ''
  // The table is the one of this response once it shows its request id.
  const table = page.locator(`${operation} .live-responses-table`, { hasText: id })
  await table.waitFor()
  const status = await table.locator('.response-col_status').last().innerText()
  return { status: status.trim().split(/\s/)[0] ?? '', text: await table.innerText() }
}

describe('/docs in Chromium', { concurrency: 3 }, () => {
  test('an order is placed, replayed and refused by clicking, and nothing is stored', async () => {
    const { page, complaints, refused, origins } = await open('/docs')
    await page.fill('#secret', SECRET)
    await tryOut(page, PLACE)
    const key = page.locator(`${PLACE} input[aria-label="Idempotency-Key"]`)
    const firstKey = await key.inputValue()
    assert.match(firstKey, UUID)

    const placed = await execute(page, PLACE)
    assert.equal(placed.status, '201')
    assert.ok(placed.text.includes(firstKey), 'the order has the key of the field')
    assert.doesNotMatch(placed.text, /idempotent-replayed/)

    const replayed = await execute(page, PLACE)
    assert.equal(replayed.status, '201')
    assert.match(replayed.text, /idempotent-replayed: true/)
    assert.equal(await key.inputValue(), firstKey)

    await page.fill(`${PLACE} textarea`, '{"user_id":"user-1","item":"pen","amount":501}')
    const conflict = await execute(page, PLACE)
    assert.equal(conflict.status, '409')
    assert.match(conflict.text, /idempotency_key_reused/)

    await page.click(`${PLACE} .fresh-key button`)
    assert.notEqual(await key.inputValue(), firstKey)
    assert.equal((await execute(page, PLACE)).status, '201')
    const orders = await world.orders()
    assert.deepEqual(orders.map(({ item }) => item).sort(), ['book', 'pen'])

    assert.deepEqual(complaints, [])
    assert.deepEqual(refused, ['409'])
    assert.deepEqual([...origins], [url])
    const kept = await page.evaluate<unknown>(
      '[localStorage.length, sessionStorage.length, document.cookie, location.href.includes("secret")]',
    )
    assert.deepEqual(kept, [0, 0, '', false])
    assert.deepEqual(await page.context().cookies(), [])
    await page.close()
  })

  test('a GET with a query is signed too, for the client of the bar', async () => {
    const { page, complaints } = await open('/docs')
    await page.fill('#secret', SECRET)
    await tryOut(page, LIST)
    await page.fill(`${LIST} tr[data-param-name="limit"] input`, '1')
    const listed = await execute(page, LIST)
    assert.equal(listed.status, '200')
    assert.match(listed.text, /next_cursor/)
    await page.fill('#client', 'nobody')
    assert.equal((await execute(page, LIST)).status, '401')
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('an API key is sent where one is enough, and nowhere else', async () => {
    const { page, complaints } = await open('/docs')
    await page.fill('#api-key', 'test-api-key')
    await tryOut(page, LIMITS)
    assert.equal((await execute(page, LIMITS)).status, '200')
    await tryOut(page, LIST)
    assert.equal((await execute(page, LIST)).status, '401')
    assert.match(await page.innerText('#note'), /Type in the secret: /)
    await page.fill('#api-key', '')
    assert.equal((await execute(page, LIMITS)).status, '401')
    assert.match(await page.innerText('#note'), /Type in the secret or an API key: /)
    await page.fill('#secret', SECRET)
    assert.equal((await execute(page, LIMITS)).status, '200')
    assert.deepEqual(complaints, [])
    await page.close()
  })

  test('without a secret it says so, and the service refuses', async () => {
    const { page, complaints } = await open('/docs')
    await tryOut(page, PLACE)
    const response = await execute(page, PLACE)
    assert.equal(response.status, '401')
    assert.match(response.text, /signature_missing/)
    assert.match(await page.innerText('#note'), /without a signature/)
    assert.deepEqual(complaints, [])
    await page.close()
  })

  for (const path of ['/docs', '/problems', '/problems/rate_limited']) {
    test(`${path} is light or dark as the reader has it, and complains of nothing`, async () => {
      const shades = await Promise.all((['light', 'dark'] as const).map((scheme) => paperOf(path, scheme)))
      const [light = 0, dark = 255] = shades
      assert.ok(light > 200 && dark < 60, `${light} and ${dark}`)
    })
  }
})

/** How light the page is; fails unless its text can be read on it. */
async function paperOf(path: string, scheme: 'light' | 'dark'): Promise<number> {
  const { page, complaints, origins } = await open(path, scheme)
  const words = path === '/docs' ? '.opblock-summary-path' : 'article dd'
  await page.waitForSelector(words)
  const [paper, text] = [await shade(page, 'body', 'background-color'), await shade(page, words, 'color')]
  assert.ok(Math.abs(paper - text) > 120, `${scheme}: ${text} on ${paper}`)
  assert.deepEqual(complaints, [])
  assert.deepEqual([...origins], [url])
  await page.close()
  return paper
}

/** The mean of red, green and blue, 0 to 255. */
async function shade(page: Page, selector: string, property: string): Promise<number> {
  const value = await page.evaluate<string>(
    `getComputedStyle(document.querySelector('${selector}')).getPropertyValue('${property}')`,
  )
  const [red = 0, green = 0, blue = 0] = (value.match(/\d+/g) ?? []).map(Number)
  return (red + green + blue) / 3
}
