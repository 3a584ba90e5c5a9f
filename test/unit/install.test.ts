import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs what npm would run after installing @scarf/scarf in a project, with a server of ours in the place of theirs. */
async function reportsFrom(project: string): Promise<number> {
  let reports = 0
  const server = createServer((_, response) => {
    reports++
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, TMPDIR: tmpdir(), INIT_CWD: project, SCARF_LOCAL_PORT: String(address.port) }
  const directory = join(project, 'node_modules/@scarf/scarf')
  const child = spawn(process.execPath, ['report.js'], { cwd: directory, env, stdio: 'ignore' })
  await once(child, 'close')
  server.close()
  server.closeAllConnections()
  return reports
}

test('an installation reports nothing to anybody', async (t) => {
  assert.equal(await reportsFrom(root), 0)

  // The same packages in a project that does not refuse: this test would notice a report.
  const other = mkdtempSync(join(tmpdir(), 'oncekey-install-'))
  t.after(() => rmSync(other, { recursive: true }))
  const manifest = { name: 'other', version: '1.0.0', dependencies: { 'swagger-ui-dist': '*' } }
  writeFileSync(join(other, 'package.json'), JSON.stringify(manifest))
  for (const name of ['@scarf/scarf', 'swagger-ui-dist']) {
    cpSync(
      join(root, 'node_modules', name, 'package.json'),
      join(other, 'node_modules', name, 'package.json'),
    )
  }
  cpSync(join(root, 'node_modules/@scarf/scarf'), join(other, 'node_modules/@scarf/scarf'), {
    recursive: true,
  })
  // It gives npm 3 s to list the packages, which are not enough on a busy machine.
  const program = join(other, 'node_modules/@scarf/scarf/report.js')
  const source = readFileSync(program, 'utf8')
  const patient = source.replace('const execTimeout = 3000', 'const execTimeout = 120000')
  assert.notEqual(patient, source)
  writeFileSync(program, patient)
  assert.equal(await reportsFrom(other), 1)
})

test('the service installs its dependencies without their scripts', () => {
  const source = readFileSync(`${root}src/tools/bring-up-to-date.js`, 'utf8')
  assert.match(source, /'ci',[^\n]*'--ignore-scripts'/)
  assert.match(readFileSync(`${root}Dockerfile`, 'utf8'), /npm ci --ignore-scripts/)
})
