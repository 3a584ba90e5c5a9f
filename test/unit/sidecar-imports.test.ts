import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** `from '…'` of imports and exports, and `import('…')`: also of types, so that nothing is one word from being loaded. */
const IMPORT = /(?:\bfrom|\bimport\()\s*'(\.[^']+)'/g

/** These files and all that they import, directly or not; relative to the root. */
function importsOf(...entries: string[]): Set<string> {
  const found = new Set<string>()
  const open = entries.map((entry) => join(ROOT, entry))
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const name = relative(ROOT, file)
    if (found.has(name)) continue
    found.add(name)
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      open.push(resolve(dirname(file), target))
    }
  }
  return found
}

/** parsed-body.ts brings koa-bodyparser and what that needs. */
const OF_THE_SERVICE =
  /^(?:internal\/(?:orders|payments|audit|openapi|docs)|src\/service)\/|^internal\/http\/parsed-body\.ts$/

test('the sidecar loads nothing of the service', () => {
  const loaded = [...importsOf('src/sidecar/proxy-service.ts', 'src/sidecar/proxy-config.ts')]
  assert.ok(loaded.includes('internal/proxy/forward.ts') && loaded.includes('src/runtime/limits.ts'))
  assert.deepEqual(
    loaded.filter((name) => OF_THE_SERVICE.test(name)),
    [],
  )
})

test('the same look finds what the service loads', () => {
  const loaded = [...importsOf('src/service/service.ts')]
  for (const name of ['internal/orders/orders.ts', 'src/service/routes.ts', 'src/service/openapi.ts']) {
    assert.ok(loaded.includes(name), name)
  }
})
