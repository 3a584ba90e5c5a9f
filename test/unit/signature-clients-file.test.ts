import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientsFileOptions, openClientsFile } from '../../internal/signature/clients-file.ts'

const POLL_MS = 5

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oncekey-clients-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function content(...ids: string[]): string {
  return JSON.stringify(Object.fromEntries(ids.map((id) => [id, { secrets: [`secret of ${id}`] }])))
}

/** Opens the registry with a short poll interval. `reloaded` waits for the next report and fails without one. */
function open(t: TestContext, options: ClientsFileOptions) {
  const reports: ({ clients: number } | Error)[] = []
  const clients = openClientsFile({ pollMs: POLL_MS, onReload: (result) => reports.push(result), ...options })
  t.after(() => clients.close())
  async function reloaded(): Promise<{ clients: number } | Error> {
    const deadline = Date.now() + 5_000
    while (Date.now() < deadline) {
      const report = reports.shift()
      if (report !== undefined) return report
      await sleep(POLL_MS)
    }
    throw new Error('no reload within 5 s')
  }
  return { clients, reports, reloaded }
}

test('HMAC_SECRET is the client default, without a file', (t) => {
  const { clients } = open(t, { defaultSecret: 'super-secret-key' })
  assert.equal(clients.find('default')?.id, 'default')
  assert.equal(clients.find('acme'), undefined)
  assert.ok(clients.usesSecret('super-secret-key'))
  assert.ok(!clients.usesSecret('super-secret-ke'))
  assert.ok(!clients.usesSecret(''))
})

test('a file adds its clients, and a secret in it is found', (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  writeFileSync(file, content('acme', 'zeta'))
  const { clients } = open(t, { file, defaultSecret: 'd' })
  for (const id of ['default', 'acme', 'zeta']) assert.equal(clients.find(id)?.id, id)
  assert.ok(clients.usesSecret('secret of zeta') && clients.usesSecret('d'))
  assert.ok(!clients.usesSecret('secret of nobody'))
})

test('an invalid or missing file at the start throws an error that names the file', (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  assert.throws(() => openClientsFile({ file }), /clients\.json/)
  writeFileSync(file, '{')
  assert.throws(() => openClientsFile({ file }), /clients\.json: /)
  writeFileSync(file, content('default'))
  assert.throws(() => openClientsFile({ file, defaultSecret: 'd' }), /\/default is already defined/)
  writeFileSync(file, content('acme'))
  assert.throws(() => openClientsFile({ file, refusedSecrets: ['secret of acme'] }), /published secret/)
})

test('a file that changes in place replaces all its clients', async (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  writeFileSync(file, content('acme'))
  const { clients, reloaded } = open(t, { file, defaultSecret: 'd' })
  // Written in place: same length, same inode. Other tests replace the file by a rename.
  writeFileSync(file, content('zeta'))
  let report = await reloaded()
  // A poll between truncation and writing reports an error; the next poll reads the new content.
  if (report instanceof Error) report = await reloaded()
  assert.deepEqual(report, { clients: 2 })
  assert.equal(clients.find('acme'), undefined)
  assert.equal(clients.find('zeta')?.id, 'zeta')
  assert.equal(clients.find('default')?.id, 'default')
})

test('each atomic rename is seen', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'clients.json')
  writeFileSync(file, content('acme'))
  const { clients, reloaded } = open(t, { file })
  for (const id of ['one', 'two', 'three']) {
    writeFileSync(`${file}.new`, content(id, 'acme'))
    renameSync(`${file}.new`, file)
    assert.deepEqual(await reloaded(), { clients: 2 })
    assert.equal(clients.find(id)?.id, id)
  }
  assert.equal(clients.find('one'), undefined)
})

test('a swapped symlink, as Kubernetes does it, is seen', async (t) => {
  const folder = temporaryFolder(t)
  for (const version of ['v1', 'v2', 'v3']) {
    mkdirSync(join(folder, version))
    writeFileSync(join(folder, version, 'clients.json'), content(version, 'acme'))
  }
  symlinkSync('v1', join(folder, '..data'))
  symlinkSync(join('..data', 'clients.json'), join(folder, 'clients.json'))
  const { clients, reloaded } = open(t, { file: join(folder, 'clients.json') })
  assert.equal(clients.find('v1')?.id, 'v1')
  for (const version of ['v2', 'v3']) {
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    assert.deepEqual(await reloaded(), { clients: 2 })
    assert.equal(clients.find(version)?.id, version)
  }
})

test('an invalid file on reload is reported once and keeps the old clients; the next valid file is loaded', async (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  writeFileSync(file, content('acme'))
  const { clients, reports, reloaded } = open(t, {
    file,
    defaultSecret: 'd',
    refusedSecrets: ['secret of demo'],
  })
  const replace = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  for (const [text, rule] of [
    ['{"acme":', /valid JSON/],
    ['{"acme":{"secrets":[]}}', /\/acme\/secrets must hold/],
    [content('default'), /\/default is already defined/],
    [content('demo'), /\/demo\/secrets\/0 is a published secret/],
  ] as const) {
    replace(text)
    const report = await reloaded()
    assert.ok(report instanceof Error)
    assert.match(report.message, rule)
    assert.equal(clients.find('acme')?.id, 'acme')
  }
  unlinkSync(file)
  const missing = await reloaded()
  assert.ok(missing instanceof Error && missing.message.includes(file))
  assert.ok(clients.usesSecret('secret of acme'))
  await sleep(POLL_MS * 10)
  assert.deepEqual(reports, [])
  replace(content('zeta'))
  assert.deepEqual(await reloaded(), { clients: 2 })
  assert.equal(clients.find('acme'), undefined)
})

test('after close nothing is re-read and the clients stay', async (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  writeFileSync(file, content('acme'))
  const { clients, reports } = open(t, { file })
  clients.close()
  writeFileSync(`${file}.new`, content('zeta'))
  renameSync(`${file}.new`, file)
  await sleep(POLL_MS * 20)
  assert.deepEqual(reports, [])
  assert.equal(clients.find('acme')?.id, 'acme')
})

test('watching a file does not keep the process alive', async (t) => {
  const file = join(temporaryFolder(t), 'clients.json')
  writeFileSync(file, content('acme'))
  const module = new URL('../../internal/signature/clients-file.ts', import.meta.url)
  const script = `import { openClientsFile } from ${JSON.stringify(module.href)}; openClientsFile({ file: ${JSON.stringify(file)} })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: 'inherit',
    timeout: 20_000,
  })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})
