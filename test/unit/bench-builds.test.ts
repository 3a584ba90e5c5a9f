import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { test } from 'node:test'
import { readBuilds } from '../bench/builds.ts'
import { withBuilds } from '../bench/contestants.ts'
import { garbageReader } from '../bench/garbage.ts'
import { temporaryDirectory } from '../support/servers.ts'

function builtDirectory(): string {
  const directory = temporaryDirectory()
  mkdirSync(`${directory}/dist`)
  return directory
}

test('a build has its directory, its program with flags, and settings', () => {
  const directory = builtDirectory()
  const builds = readBuilds({
    build: [`old=${directory}`],
    node: ['old=/opt/node24/bin/node'],
    flags: ['old=--max-semi-space-size=32 --single-threaded'],
    env: ['old=RATE_LIMITS=client=5/1s', 'old=WORKERS=1'],
  })
  assert.deepEqual(builds, [
    {
      name: 'old',
      directory,
      node: '/opt/node24/bin/node',
      flags: ['--max-semi-space-size=32', '--single-threaded'],
      settings: { RATE_LIMITS: 'client=5/1s', WORKERS: '1' },
    },
  ])
})

test('a build that is not there, and an option of one that was not named, are refused', () => {
  const directory = builtDirectory()
  const empty = temporaryDirectory()
  assert.throws(() => readBuilds({ build: [`old=${empty}`] }), /--build old=.*: nothing is built there/)
  assert.throws(() => readBuilds({ build: [`o/d=${directory}`] }), /a name has letters/)
  assert.throws(() => readBuilds({ build: [directory] }), /must be NAME=/)
  assert.throws(() => readBuilds({ env: ['old=WORKERS=1'] }), /there is no --build old/)
})

test('the contestants of a build stand behind those of this one', () => {
  const names = withBuilds(readBuilds({ build: [`old=${builtDirectory()}`] })).map(({ name }) => name)
  for (const name of ['redis+postgres', 'postgres', 'embedded', 'payments', 'sidecar']) {
    assert.equal(names[names.indexOf(name) + 1], `${name}@old`)
  }
  assert.equal(names.filter((name) => name.includes('@')).length, 5)
})

test('garbage is what was allocated since the last call, of whole lines', () => {
  let text = '[9:0x1]  60 ms: pause=1.2 gc=s reduce_memory=0 allocated=1000 promoted=5\nis ready\n'
  const read = garbageReader(() => text)
  assert.equal(read(), 1000)
  text += '[9:0x1]  61 ms: pause=1.2 gc=ms allocated=200 promoted=0\n[9:0x1]  62 ms: pause=1.2 gc=s alloc'
  assert.equal(read(), 200)
  text += 'ated=30 promoted=0\n'
  assert.equal(read(), 30)
})
