import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { newKey, orderBody, postOrder } from '../support/order-client.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-rotation-'))
after(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'log')
const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')

test('a log file is rotated by renaming and SIGHUP, or by copying and truncating', async (t) => {
  const { service, close } = await startServiceOnDatabase({ LOG_FILE: file, RATE_LIMITS: 'none' })
  t.after(close)
  const place = async (name: string) => {
    const key = newKey()
    assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
    await until(`the line is in ${name}`, () => read(join(directory, name)).includes(key))
  }
  await place('log')
  renameSync(file, `${file}.1`)
  await place('log.1')
  service.signal('SIGHUP')
  await until('there is a new file', () => existsSync(file))
  await place('log')
  writeFileSync(file, '')
  await place('log')
  assert.ok(read(file).startsWith('{"level"'), 'it begins with a line, not with a hole')
  assert.ok(!service.log().includes('cannot be written'))
})

test('a log file that cannot be opened anew is told, and the old one goes on', async (t) => {
  const own = join(directory, 'own', 'log')
  const { service, close } = await startServiceOnDatabase({ LOG_FILE: own, RATE_LIMITS: 'none' })
  t.after(close)
  renameSync(join(directory, 'own'), join(directory, 'moved'))
  writeFileSync(join(directory, 'own'), 'in the way')
  service.signal('SIGHUP')
  await until('it is told', () => service.log().includes('the log cannot be written: '))
  const key = newKey()
  assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
  await until('the line is in the old file', () => read(join(directory, 'moved', 'log')).includes(key))
})

test('without a log file, SIGHUP stops as SIGTERM does: the terminal is gone', async (t) => {
  const { service, close } = await startServiceOnDatabase()
  t.after(close)
  service.signal('SIGHUP')
  assert.deepEqual(await service.ended(), { code: 0, signal: null })
  assert.match(service.log(), /"signal":"SIGHUP","msg":"stopping"/)
})
