import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { listen } from '../../internal/http/server.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { COLLECTION, runCollection } from '../support/newman.ts'

const SECRET = 'ein sécret ☕'
const V4 = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}'

interface Seen {
  method: string
  target: string
  key: string
  body: string
  signature: string
  /** Whether the signature matches the received bytes. */
  genuine: boolean
}

/** A server that verifies the received bytes. */
const seen = new Map<string, Seen>()
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { method = '', url: target = '', headers } = request
  const header = (name: string) => String(headers[name] ?? '')
  const [body, key, signature] = [Buffer.concat(chunks), header('idempotency-key'), header('x-signature')]
  const client = header('x-client-id')
  const timestamp = Number(/^t=(\d+)/.exec(signature)?.[1])
  const genuine =
    signature ===
    (Number.isNaN(timestamp)
      ? sign({ scheme: 'v0', secret: SECRET, body })
      : sign({ scheme: 'v1', secret: SECRET, timestamp, method, target, client, key, body }))
  seen.set(header('x-name'), { method, target, key, body: body.toString(), signature, genuine })
  response.end()
})
const url = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`
const directory = mkdtempSync(join(tmpdir(), 'oncekey-postman-'))
after(() => {
  server.close()
  rmSync(directory, { recursive: true })
})

interface Item {
  method?: string
  url: unknown
  key?: string
  body?: string
  scheme?: string
}

/** Sends these requests with only the script of the collection. */
async function send(items: Record<string, Item>): Promise<string[]> {
  const { event } = z
    .object({ event: z.array(z.looseObject({ listen: z.string() })) })
    .parse(JSON.parse(readFileSync(COLLECTION, 'utf8')))
  const file = join(directory, 'collection.json')
  const collection = {
    info: { name: 'x', schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json' },
    event: event.filter(({ listen }) => listen === 'prerequest'),
    variable: [
      { key: 'cursor', value: 'a+b/c= d#é&' },
      { key: 'item', value: 'Bücher ☕' },
      { key: 'nested', value: '{{item}}' },
    ],
    item: Object.entries(items).map(([name, item]) => ({
      name,
      request: {
        method: item.method ?? 'GET',
        url: item.url,
        header: [
          { key: 'X-Name', value: name },
          { key: 'X-Signature', value: item.scheme ?? 'v1' },
          ...(item.key === undefined ? [] : [{ key: 'Idempotency-Key', value: item.key }]),
        ],
        ...(item.body === undefined ? {} : { body: { mode: 'raw', raw: item.body } }),
      },
    })),
  }
  writeFileSync(file, JSON.stringify(collection))
  const variables = {
    base_url: url,
    bare_url: url.slice('http://'.length),
    secret: SECRET,
    client_id: 'acme',
  }
  return (await runCollection(file, variables)).failures
}

const URLS: [url: unknown, target: RegExp][] = [
  ['{{base_url}}', /^\/$/],
  ['{{base_url}}/', /^\/$/],
  ['{{base_url}}?a=b', /^\/\?a=b$/],
  ['{{base_url}}/orders?', /^\/orders\?$/],
  ['{{base_url}}/orders?limit=2', /^\/orders\?limit=2$/],
  ['{{base_url}}/api/v1/orders/{{$guid}}?x={{$guid}}', new RegExp(`^/api/v1/orders/${V4}\\?x=${V4}$`)],
  ['{{bare_url}}/orders;a=b,c:@d!$&*()~', /^\/orders;a=b,c:@d!\$&\*\(\)~$/],
  ['{{base_url}}/orders?cursor={{cursor}}', /^\/orders\?cursor=a\+b\/c=%20d%23%C3%A9&$/],
  ['{{base_url}}/a b?c d=e f', /^\/a%20b\?c%20d=e%20f$/],
  ['{{base_url}}/{{item}}?x={{nested}}', /^\/B%C3%BCcher%20%E2%98%95\?x=B%C3%BCcher%20%E2%98%95$/],
  [`{{base_url}}/'"<>\`{}|^[]?'"<>\`{}|^[]`, /^\/(%[0-9A-F]{2})+\?(%[0-9A-F]{2})+$/],
  ['{{base_url}}/100%?a=%2F%zz&&b==c&d', /^\/100%25\?a=%2F%25zz&&b==c&d$/],
  ['{{base_url}}/a//b/../c/./d?x=?/', /^\/a\/\/b\/\.\.\/c\/\.\/d\?x=\?\/$/],
  [
    {
      raw: '{{base_url}}/orders/:id?limit=1',
      host: ['{{base_url}}'],
      path: ['orders', ':id'],
      query: [
        { key: 'limit', value: '1' },
        { key: 'left_out', value: '2', disabled: true },
      ],
      variable: [{ key: 'id', value: '{{$guid}}' }],
    },
    new RegExp(`^/orders/${V4}\\?limit=1$`),
  ],
]

test('for any URL the signature matches the received request', async () => {
  const failures = await send(Object.fromEntries(URLS.map(([url], index) => [`url-${index}`, { url }])))
  assert.deepEqual(failures, [])
  for (const [index, [url, target]] of URLS.entries()) {
    const request = seen.get(`url-${index}`)
    assert.match(request?.target ?? '(nothing)', target)
    assert.ok(request?.genuine, `the signature of ${JSON.stringify(url)}`)
  }
})

test('for any method, key and body the signature matches the received request', async () => {
  const to = { url: '{{base_url}}/orders' }
  const failures = await send({
    dynamic: {
      ...to,
      method: 'POST',
      key: '{{$guid}}',
      body: '{"a":"{{$guid}} {{nested}}",\r\n "b":{"c":{}}}\n',
    },
    unicode: { ...to, method: 'PUT', key: 'k', body: '"\u0000 ü \u{1F600} \u2028"' },
    quoted: { ...to, method: 'POST', key: ' "a key" ', body: '{}' },
    empty: { ...to, method: 'POST' },
    delete: { ...to, method: 'DELETE' },
    'body of a GET': { ...to, body: 'never sent' },
    v0: { ...to, method: 'POST', scheme: 'v0', body: '{"a":"{{$guid}} ☕"}' },
  })
  assert.deepEqual(failures, [])
  assert.equal(seen.get('unicode')?.body, '"\u0000 ü \u{1F600} \u2028"')
  assert.match(
    seen.get('dynamic')?.body ?? '',
    new RegExp(`^\\{"a":"${V4} Bücher ☕",\r\n "b":\\{"c":\\{\\}\\}\\}\n$`),
  )
  assert.match(seen.get('dynamic')?.key ?? '', new RegExp(`^${V4}$`))
  assert.equal(seen.get('quoted')?.key, '"a key"')
  assert.equal(seen.get('body of a GET')?.body, '')
  assert.match(seen.get('v0')?.signature ?? '', /^[0-9a-f]{64}$/)
  for (const name of ['dynamic', 'unicode', 'quoted', 'empty', 'delete', 'body of a GET', 'v0']) {
    assert.ok(seen.get(name)?.genuine, name)
  }
})

test('the error of a variable without a value names it', async () => {
  const failures = await send({ first: { url: '{{base_url}}/orders/{{order_id}}' } })
  assert.match(failures.join('\n'), /\{\{order_id\}\} has no value/)
})
