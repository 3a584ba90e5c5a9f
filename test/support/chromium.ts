import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const PLACES = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/snap/bin/chromium']

/** A headless browser that reaches nothing but this machine. Rejects with what to install where there is none. */
export async function startBrowser(): Promise<Browser> {
  const args = ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1']
  // Its sandbox refuses to work for root.
  if (process.getuid?.() === 0) args.push('--no-sandbox')
  return await chromium.launch({ executablePath: chromiumProgram(), args })
}

/** TEST_CHROMIUM, or Chromium or Chrome from the usual places. */
function chromiumProgram(): string {
  const given = process.env.TEST_CHROMIUM
  const directories = (process.env.PATH ?? '').split(delimiter)
  const candidates = given
    ? [given]
    : [...NAMES.flatMap((name) => directories.map((directory) => join(directory, name))), ...PLACES]
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  throw new Error(
    `${given ? `TEST_CHROMIUM=${given} is not a program` : 'there is no Chromium'}. Install it (Debian: sudo apt-get ` +
      'install chromium; Ubuntu: sudo snap install chromium; macOS: brew install --cask google-chrome), or set ' +
      'TEST_CHROMIUM to the program of a Chromium or Chrome',
  )
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
