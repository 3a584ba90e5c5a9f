import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oncekey } from '../support/run-command.ts'

test('every command that oncekey --help lists has a --help, which says how to call it', async () => {
  const { stdout } = await oncekey(['--help'])
  const names = [...stdout.matchAll(/^ {2}(\w+) +\S/gm)].map(([, name = '']) => name)
  assert.ok(names.length >= 15, stdout)
  for (const name of names) {
    const help = await oncekey([name, '--help'])
    assert.deepEqual([help.code, help.stderr], [0, ''], name)
    assert.match(help.stdout, /^Usage: oncekey /, name)
  }
})

test('oncekey --help names each verb that the usage of a command has', async () => {
  const { stdout } = await oncekey(['--help'])
  for (const name of ['audit', 'clients', 'keys', 'webhooks']) {
    const usage = (await oncekey([name, '--help'])).stdout.split('\n\n', 1)[0] ?? ''
    const verbs = [...usage.matchAll(new RegExp(`oncekey ${name} (\\w+)`, 'g'))].map(([, verb]) => verb)
    const line = stdout.split('\n').find((one) => one.startsWith(`  ${name} `))
    assert.equal(line?.split(': ')[1], verbs.join(', '), name)
  }
})
