import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'
import { until } from './until.ts'

/** Of a row that is on the page, within what a slow machine needs. */
export const WAIT = { timeout: 30_000 }

export interface OpenedConsole {
  page: Page
  /** Of the browser, and requests to other places. */
  complaints: string[]
}

/** Opens the console of a service, as Ada. */
export function consoleOf(browser: Browser, url: string, token: string) {
  async function open(colorScheme: 'light' | 'dark' = 'light', width = 1_280): Promise<OpenedConsole> {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } })
    const complaints: string[] = []
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== url) complaints.push(`asks ${request.url()}`)
    })
    await page.goto(`${url}/console`)
    return { page, complaints }
  }

  async function signedIn(colorScheme: 'light' | 'dark' = 'light', width = 1_280): Promise<OpenedConsole> {
    const opened = await open(colorScheme, width)
    await opened.page.fill('#token', token)
    await opened.page.fill('#name', 'Ada')
    await opened.page.click('#sign-in button')
    await opened.page.waitForSelector('#plot svg', WAIT)
    return opened
  }

  return { open, signedIn }
}

/**
 * As an operator does: once more if the dialog says that the service cannot do it right now. The first try may have been
 * done all the same; the next one then finds it changed.
 */
export async function submit(page: Page): Promise<void> {
  const fault = page.locator('#dialog .fault')
  let isSecond = false
  await until('the dialog is closed', async () => {
    await page.click('#dialog button[type=submit]')
    await page.waitForFunction(
      "(dialog) => !dialog.open || dialog.querySelector('.fault').textContent !== ''",
      await page.$('#dialog'),
      WAIT,
    )
    if (!(await fault.isVisible())) return true
    const said = await fault.innerText()
    if (isSecond && said.startsWith('It has changed since it was shown')) {
      await page.keyboard.press('Escape')
      return true
    }
    assert.match(said, /cannot do this right now/)
    isSecond = true
    return false
  })
}
