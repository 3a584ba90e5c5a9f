import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { z } from 'zod'

const AXE = 'axe-core@4.14.1'
const TIMEOUT_MS = 300_000

const FOUND = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      help: z.string(),
      nodes: z.array(z.object({ target: z.array(z.unknown()), failureSummary: z.string().optional() })),
    }),
  ),
  passes: z.array(z.object({ id: z.string() })),
})

/** Installs axe-core in a temporary folder; resolves with what runs all of its rules on a page. */
export function openAxe(): (page: Page) => Promise<{ faults: string[]; passed: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-axe-'))
  let source: string
  try {
    writeFileSync(join(directory, 'package.json'), '{"private":true}')
    const install = ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', AXE]
    execFileSync('npm', install, { cwd: directory, stdio: 'inherit', timeout: TIMEOUT_MS })
    source = readFileSync(join(directory, 'node_modules/axe-core/axe.min.js'), 'utf8')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  return async (page) => {
    // Not as a script element: the policy of the pages forbids that.
    await page.evaluate(`if (!globalThis.axe) { ${source} }`)
    const { violations, passes } = FOUND.parse(await page.evaluate('axe.run()'))
    const faults = violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target.join(' ')}\n${failureSummary}`),
    )
    return { faults, passed: passes.map(({ id }) => id) }
  }
}
