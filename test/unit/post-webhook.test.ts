import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createTcp, type Server, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { endpointUrlFault } from '../../internal/events/endpoint-url.ts'
import { type LookupAll, postWebhook } from '../../internal/events/post-webhook.ts'
import { isPublicAddress } from '../../internal/events/public-address.ts'
import { retryAfterMs, retryDelayMs } from '../../internal/events/retry-schedule.ts'
import { createAuthority } from '../support/certificates.ts'

const STRICT = { allowLocal: false }
const DEMO = { allowLocal: true }

test('private and special addresses are not public', () => {
  for (const address of [
    '1.1.1.1',
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '2606:4700::1111',
    '2a00::1',
  ]) {
    assert.ok(isPublicAddress(address), address)
  }
  for (const address of [
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1111%1',
    'ff02::1',
    '',
    'localhost',
    '1.1.1',
    '01.1.1.1',
  ]) {
    assert.ok(!isPublicAddress(address), address)
  }
})

test('a URL for an endpoint is https, without credentials and fragment, at no private address, of 2,000 characters at most', () => {
  const longest = `https://partner.example/${'a'.repeat(2_000 - 24)}`
  for (const url of [
    'https://partner.example/hooks?a=1',
    'https://partner.example:8443/',
    'https://8.8.8.8/',
    longest,
  ]) {
    assert.equal(endpointUrlFault(url, STRICT), undefined, url)
  }
  for (const url of [
    '',
    'partner.example',
    '/hooks',
    'http://partner.example/',
    'ftp://partner.example/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'https://',
    'https://user@partner.example/',
    'https://user:password@partner.example/',
    'https://:password@partner.example/',
    'https://partner.example/#a',
    'https://partner.example/#',
    `${longest}a`,
    'https://partner.example/a b',
    'https://partner.example/\n',
    ' https://partner.example/',
    'https://bücher.example/',
    'https://partner.example\\@other.example/',
    'https:\\\\partner.example/',
    'https:partner.example/',
    'https:/partner.example/',
    'https:///partner.example/',
    'https://partner.example/a\\b',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[fd00::1]/',
    'https://0/',
  ]) {
    assert.ok(endpointUrlFault(url, STRICT) !== undefined, url)
  }
  for (const url of ['http://127.0.0.1:3000/hook', 'http://localhost:3000/hook', 'https://10.0.0.1/']) {
    assert.equal(endpointUrlFault(url, DEMO), undefined, url)
  }
  assert.ok(endpointUrlFault('http://user@127.0.0.1/', DEMO) !== undefined)
})

/** Of the 6bone, which ended in 2006: it is public, and nothing is there. */
const NOWHERE = '3ffe::1'

const found = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 })

describe('the address that is connected to', () => {
  const post = (url: string, lookup?: LookupAll, timeoutMs = 5_000) =>
    postWebhook({
      ...STRICT,
      url,
      headers: {},
      body: '{}',
      timeoutMs,
      ...(lookup === undefined ? {} : { lookup }),
    })

  test('a name that leads to this machine or a private network is refused, and nothing connects', async (t) => {
    const { port, connections } = await tcpServer(t, () => {})
    await assert.rejects(post(`https://localhost:${port}/`), /localhost leads to no public address/)
    for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', 'fd00::1']) {
      const lookup: LookupAll = (_host, _options, done) =>
        done(null, [{ address, family: address.includes(':') ? 6 : 4 }])
      await assert.rejects(
        post(`https://partner.example:${port}/`, lookup),
        /partner\.example leads to no public address/,
      )
    }
    assert.equal(connections.length, 0)
  })

  for (const [what, addresses] of [
    ['the private one first', ['127.0.0.1', NOWHERE]],
    ['the public one first', [NOWHERE, '127.0.0.1']],
    ['among more of them', ['::1', '10.0.0.1', NOWHERE, '::ffff:127.0.0.1', '127.0.0.1']],
  ] as const) {
    test(`of a name with a public and a private address only the public one is tried: ${what}`, async (t) => {
      const { port, connections } = await tcpServer(t, () => {})
      const lookup: LookupAll = (_host, _options, done) => done(null, addresses.map(found))
      const trying = post(`https://partner.example:${port}/`, lookup, 1_500)
      await assert.rejects(trying, ({ message }: Error) => !message.includes('leads to no public address'))
      assert.equal(connections.length, 0)
    })
  }

  test('a name that changes is resolved once', async (t) => {
    const { port, connections } = await tcpServer(t, () => {})
    let asked = 0
    const lookup: LookupAll = (_host, _options, done) =>
      done(null, [found(asked++ === 0 ? NOWHERE : '127.0.0.1')])
    await assert.rejects(post(`https://partner.example:${port}/`, lookup, 1_500))
    assert.equal(asked, 1)
    assert.equal(connections.length, 0)
  })

  test('an address in the URL is checked too, whatever the rules were when the endpoint was made', async (t) => {
    const { port, connections } = await tcpServer(t, () => {})
    for (const host of ['127.0.0.1', '[::1]', '2130706433']) {
      await assert.rejects(post(`https://${host}:${port}/`), /must not be a private address/)
    }
    await assert.rejects(post(`http://partner.example:${port}/`), /must be an https URL/)
    assert.equal(connections.length, 0)
  })
})

describe('a receiver', () => {
  const post = (port: number, timeoutMs = 10_000) =>
    postWebhook({ ...DEMO, url: `http://127.0.0.1:${port}/`, headers: { a: 'b' }, body: '{}', timeoutMs })

  test('that redirects is not followed', async (t) => {
    const other = await tcpServer(t, () => {})
    const server = createServer(
      (_, response) => void response.writeHead(302, { Location: `http://127.0.0.1:${other.port}/` }).end(),
    )
    const port = await listen(t, server)
    assert.equal((await post(port)).status, 302)
    assert.equal(other.connections.length, 0)
  })

  test('whose certificate is not trusted, or of another name, gets nothing', async (t) => {
    const authority = createAuthority('the CA of the tests')
    const { cert, key } = authority.issue('receiver', 'localhost')
    let count = 0
    const server = createHttpsServer(
      { cert: readFileSync(cert), key: readFileSync(key) },
      (_, response) => void response.end(String(++count)),
    )
    const port = await listen(t, server)
    const to = (host: string, ca?: string) =>
      postWebhook({
        ...DEMO,
        url: `https://${host}:${port}/`,
        headers: {},
        body: '{}',
        timeoutMs: 10_000,
        lookup: (_host, _options, done) => done(null, [found('127.0.0.1')]),
        ...(ca === undefined ? {} : { ca }),
      })
    const ca = readFileSync(authority.ca, 'utf8')
    await assert.rejects(to('localhost'), /certificate/)
    await assert.rejects(to('other.example', ca), /does not match certificate's altnames/)
    assert.equal(count, 0)
    assert.deepEqual(await to('localhost', ca), { status: 200, text: '1', retryAfter: undefined })
  })

  test('that does not respond ends in time', async (t) => {
    const { port } = await tcpServer(t, () => {})
    await assert.rejects(post(port, 300), /no response within 0\.3 s/)
  })

  test('that resets, closes, or speaks something else has failed', async (t) => {
    for (const act of [
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9\r\n'),
      (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(40_000)}\r\n\r\n`),
    ]) {
      const { port } = await tcpServer(t, (socket) => socket.once('data', () => act(socket)))
      await assert.rejects(post(port))
    }
  })

  test('that switches protocols is known by its status', { timeout: 30_000 }, async (t) => {
    for (const end of [true, false]) {
      const { port } = await tcpServer(t, (socket) =>
        socket.once('data', () => {
          socket.write(
            'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
          )
          if (end) socket.end()
        }),
      )
      assert.deepEqual(await post(port), { status: 101, text: '', retryAfter: undefined })
    }
  })

  test('that sends a body without end, cut off, or of another length is known by its status', async (t) => {
    for (const [head, body] of [
      ['Content-Length: 1000', 'short'],
      ['Transfer-Encoding: chunked', '5\r\nshort\r\n'],
    ]) {
      const answer = `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`
      const { port } = await tcpServer(t, (socket) => socket.once('data', () => socket.end(answer)))
      assert.deepEqual(await post(port), { status: 200, text: 'short', retryAfter: undefined })
    }
    for (const [status, head, body] of [
      [200, 'Content-Length: 5', 'longer than that'],
      [200, 'Transfer-Encoding: chunked', '5\r\nshort\r\n0\r\n\r\nmore'],
      [204, 'Content-Length: 5', 'short'],
      [410, 'Content-Length: 0', 'gone'],
    ] as const) {
      const answer = `HTTP/1.1 ${status} Text\r\n${head}\r\n\r\n${body}`
      const { port } = await tcpServer(t, (socket) => socket.once('data', () => socket.end(answer)))
      assert.equal((await post(port)).status, status, `${head} ${body}`)
    }
    const endless = await tcpServer(t, (socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        const more = () =>
          socket.write('x'.repeat(65_536), () => {
            if (!socket.destroyed) setImmediate(more)
          })
        socket.on('error', () => {})
        more()
      }),
    )
    assert.equal((await post(endless.port)).text.length, 256)
    const dripping = await tcpServer(t, (socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 202 OK\r\n\r\nx')),
    )
    assert.equal((await post(dripping.port, 300)).status, 202)
  })
})

test('the schedule has ten attempts over three days, each with full jitter, and heeds Retry-After', () => {
  const steps = Array.from({ length: 10 }, (_, failures) => retryDelayMs(failures, 0.5))
  const seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
  assert.deepEqual(steps, [...seconds.map((s) => s * 1_000), undefined])
  const total = steps.reduce<number>((sum, ms) => sum + (ms ?? 0), 0)
  assert.ok(total > 3 * 86_400_000 && total < 3.5 * 86_400_000)
  assert.equal(retryDelayMs(1, 0), 0)
  assert.equal(retryDelayMs(1, 0, 60_000), 60_000)
  assert.equal(retryDelayMs(0, 0, 1e12), 86_400_000)
  assert.equal(retryDelayMs(9, 0, 60_000), undefined)
  assert.equal(retryAfterMs('120', 0), 120_000)
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 10_000), 50_000)
  for (const value of [undefined, '', 'soon', '-1', 'Thu, 01 Jan 1970 00:00:00 GMT'])
    assert.equal(retryAfterMs(value, 10_000), 0)
})

async function tcpServer(t: TestContext, onSocket: (socket: Socket) => void) {
  const connections: Socket[] = []
  const server = createTcp((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections }
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}
