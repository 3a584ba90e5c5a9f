import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBrowser } from '../support/chromium.ts'
import { newKey, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/servers.ts'

const TOKEN = 'the-token-of-the-tests'
/** Of a row that is on the page, within what a slow machine needs. */
const WAIT = { timeout: 30_000 }

test('an operator sees the sidecar in the browser, resolves an unknown key and finds it', async (t) => {
  const [redis, browser] = await Promise.all([startRedis(), startBrowser()])
  t.after(() => Promise.all([redis.stop(), browser.close()]))
  const backend = await startBackend(t, (res) => void res.destroy())
  const proxy = await startProxy(t, backend.url, ['--name', 'shop'], {
    REDIS_URL: redis.url,
    OPERATOR_TOKEN: TOKEN,
  })
  const key = newKey()
  const post = () =>
    send(`${proxy.url}/charge`, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })
  assert.equal((await post()).code, 'outcome_unknown')

  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(`${proxy.url}/.oncekey/console`)) complaints.push(`asks ${request.url()}`)
  })
  await page.goto(`${proxy.url}/.oncekey/console`)
  await page.fill('#token', TOKEN)
  await page.fill('#name', 'Ada')
  await page.click('#sign-in button')
  await page.waitForSelector('#plot svg', WAIT)
  assert.match(await page.innerText('header'), /sidecar console/)
  assert.doesNotMatch(await page.innerText('#tiles'), /breaker/i)
  await page.locator('#nodes').getByText(`-${proxy.pid}-`).waitFor(WAIT)
  await page
    .locator('#legend')
    .filter({ hasText: /conflict [1-9]/ })
    .waitFor(WAIT)

  const row = page.locator('#open tr', { hasText: key })
  await row.getByText('Resolve…').click(WAIT)
  await page.fill('#dialog input[name=status]', '201')
  await page.fill('#dialog textarea', '{"charge":"c1"}')
  await page.fill('#dialog input[name=reason]', 'seen in the books')
  await page.click('#dialog button[type=submit]')
  await row.waitFor({ state: 'detached', ...WAIT })
  const replayed = await post()
  assert.deepEqual([replayed.status, replayed.body.toString()], [201, '{"charge":"c1"}'])

  assert.equal(await page.inputValue('#search-client'), 'anonymous')
  await page.fill('#search-key', key)
  await page.click('#search button')
  await page.locator('#found').getByText('Resolved by').waitFor(WAIT)
  const found = await page.innerText('#found')
  assert.match(found, /Record of shop POST \/charge/)
  assert.match(found, /key\.resolved[\s\S]*by: Ada · .*reason: seen in the books/)
  assert.doesNotMatch(found, /audit trail was looked through/)
  assert.deepEqual(complaints, [])
})
