import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PROBLEMS } from '../../internal/core/service-error.ts'
import { EVENT_TYPES } from '../../internal/events/event.ts'
import { describeApi } from '../../src/service/openapi.ts'
import { ROUTES } from '../../src/service/routes.ts'
import { ApiDocument } from '../support/api-document.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const json = describeApi({ metricsPort: undefined })
const api = new ApiDocument(json)
const text = JSON.stringify(json)
/** What the service loads at its start. */
const source = ['pipeline.ts', 'handlers.ts', 'middleware.ts', 'console.ts', 'routes.ts']
  .map((file) => readFileSync(join(root, 'src/service', file), 'utf8'))
  .join('\n')

describe('the OpenAPI document', () => {
  test('describes every route of the table and no other', () => {
    const served = ROUTES.filter(({ isOfPage }) => isOfPage !== true).map(
      ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
    )
    assert.ok(served.includes('POST /orders'))
    assert.deepEqual(api.operations.map(({ method, path }) => `${method} ${path}`).sort(), served.sort())
  })

  test('has no pattern that an engine without Unicode classes would refuse', () => {
    const patterns = [...text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(([, quoted]) =>
      JSON.parse(quoted ?? ''),
    )
    assert.ok(patterns.length > 10)
    for (const pattern of patterns) {
      assert.doesNotMatch(pattern, /\\[pPu]/)
      // Without the flag u, as validators in JavaScript read it.
      assert.ok(new RegExp(pattern))
    }
  })

  test('has no default for a header, because generated clients send it where the caller leaves the header out', () => {
    const headers = api.operations.flatMap(({ parameters }) =>
      parameters.filter((one) => one.in === 'header'),
    )
    assert.ok(headers.some(({ name }) => name === 'X-Client-Id'))
    assert.deepEqual(
      headers.filter(({ schema }) => schema.default !== undefined).map(({ name }) => name),
      [],
    )
  })

  test('is loaded with the first request for it, and so are the pages', () => {
    const atStart = [...source.matchAll(/^import .* from '([^']+)'$/gm)].map(([, name]) => name)
    assert.ok(atStart.length > 20)
    assert.deepEqual(
      atStart.filter((name) => /openapi|docs|problem-texts/.test(name ?? '')),
      [],
    )
  })

  test('leaves out the metrics where they have a port of their own', () => {
    const elsewhere = new ApiDocument(describeApi({ metricsPort: 9090 }))
    assert.ok(api.operations.some(({ path }) => path === '/metrics'))
    assert.ok(!elsewhere.operations.some(({ path }) => path === '/metrics'))
  })

  test('in production has no demo routes, and every route needs credentials', () => {
    const real = new ApiDocument(describeApi({ metricsPort: undefined, production: true }))
    const paths = (document: ApiDocument) => document.operations.map(({ path }) => path)
    assert.deepEqual(
      paths(api).filter((path) => !paths(real).includes(path)),
      ['/api/v1/simulate-concurrent'],
    )
    assert.ok(real.operation('pay').security.every((one) => Object.keys(one).length > 0))
    assert.ok(real.operation('pay').codes.some(({ code }) => code === 'signature_missing'))
    assert.ok(!api.operation('pay').codes.some(({ code }) => code === 'signature_missing'))
  })

  test('has each problem at the status of the one table', () => {
    for (const { id, codes } of api.operations) {
      assert.ok(codes.length > 0, id)
      for (const { status, code } of codes) {
        const entry = Object.entries(PROBLEMS).find(([name]) => name === code)?.[1]
        assert.equal(entry?.status, status, `${id}: ${code}`)
      }
    }
  })

  test('describes the webhook of each type of event, with the headers of Standard Webhooks', () => {
    assert.deepEqual(api.webhooks.map(({ type }) => type).sort(), [...EVENT_TYPES].sort())
    for (const { type, headers, examples } of api.webhooks) {
      assert.deepEqual(headers.sort(), ['webhook-id', 'webhook-signature', 'webhook-timestamp'], type)
      assert.equal(examples.length, 1, type)
      for (const example of examples) {
        api.assertWebhook(type, example)
        assert.throws(() => api.assertWebhook(type, { ...Object(example), data: {} }), type)
        for (const other of EVENT_TYPES.filter((one) => one !== type))
          assert.throws(() => api.assertWebhook(other, example), `${type} is no ${other}`)
      }
    }
  })

  test('names every header that the service reads and writes', () => {
    for (const name of [
      'Idempotency-Key',
      'X-Client-Id',
      'X-Signature',
      'Signature-Input',
      'Signature',
      'X-Request-Id',
      'Idempotent-Replayed',
      'Retry-After',
      'Deprecation',
      'X-Secret-Expires',
      'WWW-Authenticate',
      'Location',
      'X-RateLimit-Limit',
      'X-RateLimit-Remaining',
      'X-RateLimit-Reset',
      'RateLimit-Policy',
      'RateLimit',
    ]) {
      assert.ok(text.includes(`"${name}"`), name)
    }
  })

  test('describes the credentials: v0 only with a body, and an API key only for payments', () => {
    const security = JSON.stringify([['signatureV1'], ['messageSignatureInput', 'messageSignature']])
    for (const operation of api.operations.filter(({ signed }) => signed)) {
      const given = operation.security.map((one) => Object.keys(one))
      const all = given.filter((names) => names.length > 0)
      assert.equal(given.length > all.length, operation.id === 'pay', `${operation.id} is open`)
      const names = all.filter(([name]) => name !== 'apiKey')
      assert.equal(all.length > names.length, /^\/(?:api\/v1|pay$)/.test(operation.path), operation.id)
      const withoutBody = names.filter(([name]) => name !== 'signatureV0')
      assert.equal(JSON.stringify(withoutBody), security, operation.id)
      assert.equal(names.length > withoutBody.length, operation.bodies.length > 0, operation.id)
    }
  })

  test('passes the strict rules of a linter', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'oncekey-openapi-'))
    t.after(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'openapi.json'), text)
    const cli = join(root, 'node_modules/@redocly/cli/bin/cli.js')
    const { PATH = '' } = process.env
    // Nothing is reported to any server, and no newer version is asked for.
    const env = { PATH, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
    const args = [cli, 'lint', '--extends', 'recommended-strict', '--format', 'stylish', 'openapi.json']
    const run = promisify(execFile)(process.execPath, args, { cwd: directory, env })
    const { stderr } = await run.catch((error: { stdout: string; stderr: string }) =>
      assert.fail(`${error.stdout}\n${error.stderr}`),
    )
    assert.match(stderr, /valid/i)
  })
})
