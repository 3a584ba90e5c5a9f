import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ALLOWED_LICENCES, dependencyPage, productionDependencies } from '../support/dependency-list.ts'

const root = new URL('../../', import.meta.url)
const lock = readFileSync(new URL('package-lock.json', root), 'utf8')

test('docs/dependencies.md lists what is installed: else run npm run list-dependencies', () => {
  assert.equal(readFileSync(new URL('docs/dependencies.md', root), 'utf8'), dependencyPage(lock))
})

test('what is shipped has a licence that asks for no more than being named', () => {
  const list = productionDependencies(lock)
  assert.ok(list.length > 50)
  assert.deepEqual(
    list.filter(({ licence }) => !ALLOWED_LICENCES.has(licence)),
    [],
  )
})

test('development alone does not count, and a dependency without a reason is asked about', () => {
  const packages = {
    '': { dependencies: { koa: '1' } },
    'node_modules/koa': { version: '1.0.0', license: 'GPL-3.0', dependencies: { a: '1' } },
    'node_modules/koa/node_modules/a': { version: '2.0.0' },
    'node_modules/b': { version: '3.0.0', dev: true },
  }
  assert.deepEqual(productionDependencies(JSON.stringify({ packages })), [
    { name: 'a', version: '2.0.0', licence: 'none', why: 'by koa' },
    { name: 'koa', version: '1.0.0', licence: 'GPL-3.0', why: 'the pipeline of stages' },
  ])
  const more = { ...packages, '': { dependencies: { koa: '1', b: '1' } } }
  assert.throws(() => productionDependencies(JSON.stringify({ packages: more })), /why these are needed: b/)
})
