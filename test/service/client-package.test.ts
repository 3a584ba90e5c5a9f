import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { created, cutBeforeResponse, scriptedServer } from '../support/scripted-server.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ENTRY = join(ROOT, 'dist/src/client.js')

/** The specifiers of all imports, in compiled code. */
function importsOf(file: string): string[] {
  const code = readFileSync(file, 'utf8')
  const found = [...code.matchAll(/^(?:import|export)\b[\w\s{},*$]*?['"]([^'"]+)['"]/gm)].map(
    (match) => match[1] ?? '',
  )
  const dynamic = /\b(?:import|require)\s*\(/.exec(code)
  assert.equal(dynamic, null, `${file} loads something at run time`)
  return found
}

test('the built client imports only its own files: nothing of Node.js, npm or the server', () => {
  const seen = new Set([ENTRY])
  for (const file of seen) {
    for (const name of importsOf(file)) {
      assert.match(name, /^\.{1,2}\//, `${relative(ROOT, file)} imports ${name}`)
      const imported = join(dirname(file), name)
      assert.ok(
        imported.startsWith(join(ROOT, 'dist/src/client/')),
        `${relative(ROOT, file)} imports ${name}`,
      )
      assert.ok(existsSync(imported), imported)
      seen.add(imported)
    }
  }
  assert.ok(seen.size > 5, 'the imports were found')
})

/** Runs the entry in a separate realm, which has only JavaScript and the globals of this list. */
const IN_A_BROWSER = `
  import { readFileSync } from 'node:fs'
  import { createContext, SourceTextModule } from 'node:vm'
  const web = { fetch, crypto, Headers, URL, URLSearchParams, TextEncoder, TextDecoder, AbortController, performance, setTimeout, clearTimeout }
  const context = createContext(web)
  const modules = new Map()
  const load = (url) => {
    if (!modules.has(url)) {
      modules.set(url, new SourceTextModule(readFileSync(new URL(url), 'utf8'), { context, identifier: url }))
    }
    return modules.get(url)
  }
  const [entry, baseUrl] = process.argv.slice(1)
  const main = load(entry)
  await main.link((name, from) => load(new URL(name, from.identifier).href))
  await main.evaluate()
  const client = main.namespace.createClient({ baseUrl, secret: 'super-secret-key' })
  const { order, attempts } = await client.orders.create({ user_id: 'user-1', item: 'book', amount: 500 })
  console.log(JSON.stringify({ item: order.item, attempts }))`

test('the built client places an order with only the globals of browsers', async (t) => {
  const server = await scriptedServer(t, cutBeforeResponse, created())
  const flags = ['--experimental-vm-modules', '--no-warnings', '--input-type=module', '--eval', IN_A_BROWSER]
  // The process ends after its work: no timer of an attempt keeps it alive.
  const { stdout } = await run(process.execPath, [...flags, pathToFileURL(ENTRY).href, server.url], {
    timeout: 10_000,
  })
  assert.deepEqual(JSON.parse(stdout), { item: 'book', attempts: 2 })
})

test('the package offers the client as oncekey/client', async () => {
  const { createClient } = await import('oncekey/client')
  assert.throws(() => createClient({ baseUrl: 'nowhere', secret: 'x' }), /baseUrl/)
})

test("a partner's program compiles against the package with the types of browsers, and of Node.js", async () => {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const strict = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noUncheckedIndexedAccess',
    '--module',
    'nodenext',
  ]
  const program = join(ROOT, 'test/types/partner.ts')
  for (const types of [
    ['--lib', 'es2023,dom,dom.asynciterable', '--types', ''],
    ['--lib', 'es2023', '--types', 'node', '--skipLibCheck'],
  ]) {
    const args = ['--ignoreConfig', '--noEmit', '--target', 'es2023', ...strict, ...types, program]
    await run(process.execPath, [compiler, ...args], { cwd: ROOT }).catch((error: { stdout?: string }) => {
      assert.fail(`${types.join(' ')}:\n${error.stdout}`)
    })
  }
})
