import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openDatabase } from '../../internal/database/database.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { openAxe } from '../support/axe.ts'
import { startBrowser } from '../support/chromium.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'

const TOKEN = 'the-token-of-the-tests'
const axe = openAxe()
const [browser, place] = await Promise.all([startBrowser(), createDatabase()])
const service = await startService({
  DATABASE_URL: place.url,
  OPERATOR_TOKEN: TOKEN,
  RATE_LIMITS: 'client=90/60s',
})
const { url } = service
const database = openDatabase(place.url)
after(async () => {
  await Promise.all([browser.close(), service.stop(), database.close()])
  await place.drop()
})

/** For what a slow machine needs. */
const WAIT = { timeout: 60_000 }
const PLACE = '#operations-Orders-placeOrder'

/** What a page shows after these steps. */
interface View {
  path: string
  show?: (page: Page) => Promise<void>
}

const key = newKey()

async function signIn(page: Page): Promise<void> {
  await page.fill('#token', TOKEN)
  await page.fill('#name', 'Ada')
  await page.click('#sign-in button')
  await page.waitForSelector('#plot svg', WAIT)
  await page.locator('#clients td').first().waitFor(WAIT)
}

const VIEWS: Record<string, View> = {
  '/': { path: '/', show: (page) => page.locator(PLACE).waitFor(WAIT) },
  '/problems': { path: '/problems' },
  'one problem': { path: '/problems/idempotency_key_reused' },
  '/docs': { path: '/docs', show: (page) => page.locator(PLACE).waitFor(WAIT) },
  '/docs, an order placed': {
    path: '/docs',
    async show(page) {
      await page.fill('#secret', 'super-secret-key')
      await page.click(`${PLACE} .opblock-summary-control`)
      await page.click(`${PLACE} .try-out__btn`)
      await page.click(`${PLACE} .execute`)
      await page.locator(`${PLACE} .live-responses-table`).waitFor(WAIT)
    },
  },
  '/docs, a schema open': {
    path: '/docs',
    async show(page) {
      await page.locator(PLACE).waitFor(WAIT)
      await page.click('section.models button')
      await page.locator('section.models .json-schema-2020-12').first().waitFor(WAIT)
    },
  },
  '/console, signed out': { path: '/console' },
  '/console': { path: '/console', show: signIn },
  '/console, a key found': {
    path: '/console',
    async show(page) {
      await signIn(page)
      await page.fill('#search-key', key)
      await page.click('#search button')
      await page.locator('#found h3').first().waitFor(WAIT)
    },
  },
  '/console, deliveries of an endpoint': {
    path: '/console',
    async show(page) {
      await signIn(page)
      await page.locator('#endpoints').getByText('Deliveries').first().click(WAIT)
      await page.locator('#deliveries tbody tr', { hasText: 'status 500' }).waitFor(WAIT)
    },
  },
  '/console, a replay': {
    path: '/console',
    show: (page) => openDialog(page, '#endpoints', 'Replay…', '#dialog input[name=since]'),
  },
  '/console, an outcome to resolve': {
    path: '/console',
    show: (page) => openDialog(page, '#open', 'Resolve…', '#dialog textarea'),
  },
}

/** The dialog that the first button of this text opens, with this in it. */
async function openDialog(page: Page, section: string, button: string, content: string): Promise<void> {
  await signIn(page)
  await page.locator(section).getByText(button).first().click(WAIT)
  await page.locator(content).waitFor(WAIT)
}

const receiver = await startWebhookReceiver(
  { after: (close: () => unknown) => after(async () => void (await close())) },
  (response) => void response.writeHead(500).end('<p>a response that is long '.repeat(12)),
)

/** An endpoint that fails, and one that is disabled. */
async function fillWebhooks(): Promise<void> {
  const json = { 'Content-Type': 'application/json' }
  const ask = async (path: string, token: string, body: object) =>
    await send(`${url}${path}`, {
      method: 'POST',
      headers: { ...json, Authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
  const paths = ['', 'long-path/'.repeat(20)]
  const made = await Promise.all(
    paths.map((path) => ask('/api/v1/webhook-endpoints', 'test-api-key', { url: receiver.url + path })),
  )
  const { id } = JSON.parse(made[1]?.body.toString() ?? '').webhook_endpoint
  const disabling = { client: 'test-user', id, by: 'Ada', reason: 'a test' }
  const disabled = await ask('/console/api/webhooks/disable', TOKEN, disabling)
  // The other one gets an event that says so.
  assert.equal(disabled.body.toString(), '{"done":true}')
  await until('a webhook fails', () => receiver.received.length > 0)
}

/** There is something in each part of the console. */
async function fillConsole(): Promise<void> {
  await fillWebhooks()
  await postOrder(url, key, orderBody())
  await postOrder(url, key, orderBody())
  await postOrder(url, key, orderBody({ item: 'pen' }))
  const keys = postgresStore(database)
  const id = { client: 'shop', scope: 'POST /charges', key }
  const token = randomBytes(16).toString('hex')
  await keys.claim(id, randomBytes(32).toString('hex'), token, 30_000)
  await keys.dispatch(id, token)
  await keys.release(id, token, { unknown: 'backend_timeout' })
  await keys.claim({ ...id, key: 'in flight' }, randomBytes(32).toString('hex'), token, 3_600_000)
}
await fillConsole()

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1_280, 375]) {
    describe(`${colorScheme}, ${width} pixels wide`, () => {
      for (const [name, { path, show }] of Object.entries(VIEWS)) {
        test(`${name}: axe-core finds no fault, and the page fits`, async () => {
          const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } })
          await page.goto(url + path)
          await show?.(page)
          const { faults, passed } = await axe(page)
          const widest = await page.evaluate<number>('document.documentElement.scrollWidth')
          await page.close()
          assert.deepEqual(faults, [])
          assert.ok(passed.includes('color-contrast'), 'it has looked at the page')
          assert.ok(widest <= width, `${widest} pixels wide`)
        })
      }
    })
  }
}

describe('/docs before it is there', () => {
  const said = (page: Page) => page.innerText('#loading-state')

  test('it says that it loads', async () => {
    const page = await browser.newPage()
    let goOn = () => {}
    const held = new Promise<void>((resolve) => {
      goOn = resolve
    })
    await page.route('**/openapi.json', async (route) => {
      await held
      await route.continue()
    })
    await page.goto(`${url}/docs`)
    assert.match(await said(page), /^Loading/)
    goOn()
    await page.locator(PLACE).waitFor(WAIT)
    assert.equal(await page.locator('#loading').count(), 0)
    await page.close()
  })

  for (const [file, expected] of [
    ['openapi.json', /description of the API cannot be loaded \(status 503\)/],
    ['docs/docs.js', /part of this page cannot be loaded \(\/docs\/docs\.js\)/],
    ['docs/signer.js', /part of this page cannot be loaded \(\/docs\/docs\.js\)/],
    ['docs/swagger-ui-bundle.js', /part of this page cannot be loaded \(\/docs\/swagger-ui-bundle\.js\)/],
  ] as const) {
    test(`without ${file} it says so, and axe-core finds no fault`, async () => {
      const page = await browser.newPage()
      await page.route(`**/${file}`, (route) => route.fulfill({ status: 503, body: '' }))
      await page.goto(`${url}/docs`)
      await page.locator('#loading-state.fault').waitFor(WAIT)
      assert.match(await said(page), expected)
      assert.ok(await page.isVisible('#loading-state'))
      assert.deepEqual((await axe(page)).faults, [])
      await page.close()
    })
  }
})

test('a console whose service is gone says so on a phone, scrolled to its end, and calls no node live', async () => {
  const other = await startService({ DATABASE_URL: place.url, OPERATOR_TOKEN: TOKEN })
  const page = await browser.newPage({ viewport: { width: 375, height: 667 } })
  await page.goto(`${other.url}/console`)
  await signIn(page)
  assert.match(await page.innerText('#nodes'), /live/)
  await page.evaluate('scrollTo(0, document.body.scrollHeight)')
  await other.stop()
  const state = page.locator('#state.fault')
  await state.waitFor(WAIT)
  assert.match(await state.innerText(), /^Not up to date since .*: the service does not respond$/)
  const box = await state.boundingBox()
  assert.ok(box !== null && box.y >= 0 && box.y < 667, 'it is in sight')
  assert.doesNotMatch(await page.innerText('#nodes'), /live/)
  assert.match(await page.innerText('#nodes'), /not known/)
  assert.deepEqual((await axe(page)).faults, [])
  await page.close()
})

test('the console of the sidecar: axe-core finds no fault, wide and narrow, light and dark', async (t) => {
  const backend = await startBackend(t, (res) => void res.destroy())
  const proxy = await startProxy(t, backend.url, ['--name', `axe-${key}`], { OPERATOR_TOKEN: TOKEN })
  const headers = { 'Idempotency-Key': key }
  assert.equal((await send(`${proxy.url}/charge`, { method: 'POST', body: 'x', headers })).status, 409)
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1_280, 375]) {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } })
      await page.goto(`${proxy.url}/.oncekey/console`)
      await signIn(page)
      assert.deepEqual((await axe(page)).faults, [])
      assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width)
      await page.close()
    }
  }
})
