/* What runs at hundreds of keys a second rest on: cheap requests, a history that is read in pieces, checks in linear time. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { countsWithin } from '../chaos/check-limits.ts'
import { Connections, readResponse } from '../chaos/connections.ts'
import type { Exchange, Sent } from '../chaos/history.ts'
import { readOptions } from '../chaos/options.ts'
import { Partner } from '../chaos/partner.ts'
import { piecesOf } from '../chaos/read-lines.ts'
import { Recorder } from '../chaos/recorder.ts'
import { planRun } from '../chaos/run-plan.ts'
import { Sender } from '../chaos/sender.ts'
import { usualClients } from '../chaos/work-items.ts'
import { until } from '../support/until.ts'

function fileOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-rates-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'file')
}

const SENT: Sent = {
  t: 'sent',
  at: 0,
  id: 'r',
  client: 'ann',
  key: '',
  kind: 'burst',
  node: 0,
  target: 'GET /',
  sha: '',
  value: {},
  signature: '',
}

describe('responses of nodes to partners', () => {
  test('are read wherever their bytes are cut, with a length or in chunks', () => {
    for (const [text, body] of [
      ['HTTP/1.1 201 Created\r\nContent-Length: 4\r\nA: 1\r\nA:  2\r\n\r\nfour', 'four'],
      [
        'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\na: 1, 2\r\n\r\n3\r\nfou\r\n1\r\nr\r\n0\r\n\r\n',
        'four',
      ],
      ['HTTP/1.1 201 Created\r\ncontent-length: 0\r\na: 1, 2\r\n\r\n', ''],
    ] as const) {
      const bytes = Buffer.from(text)
      for (let cut = 0; cut < bytes.length; cut++) {
        assert.equal(readResponse(bytes.subarray(0, cut)), undefined, `${cut} of ${text}`)
      }
      const response = readResponse(bytes)
      assert.equal(response?.status, 201)
      assert.equal(response?.headers.get('a'), '1, 2')
      assert.equal(response?.body.toString(), body)
    }
  })

  test('that are none of HTTP/1.1, have no length or bytes too many are errors', () => {
    for (const text of [
      'HTTP/2 200\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab',
    ]) {
      assert.throws(() => readResponse(Buffer.from(text)), { code: 'EPROTO' }, text)
    }
  })

  test('use a connection again, and have the code of what became of it', async (t) => {
    const ports = new Set<number | undefined>()
    const server = createServer((request, response) => {
      ports.add(request.socket.remotePort)
      if (request.url === '/never') return
      if (request.url === '/reset') request.socket.resetAndDestroy()
      else if (request.url === '/cut') {
        response.writeHead(200, { 'Content-Length': 9 }).write('half')
        setImmediate(() => request.socket.end())
      } else request.pipe(response)
    })
    server.listen(0, '127.0.0.1')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const connections = new Connections()
    const send = (path: string, timeoutMs = 60_000) =>
      connections.send({
        port,
        method: 'POST',
        path,
        headers: { 'Content-Length': '4' },
        body: 'four',
        timeoutMs,
      })
    for (let n = 0; n < 3; n++) assert.equal((await send('/echo')).body.toString(), 'four')
    assert.equal(ports.size, 1)
    await assert.rejects(send('/reset'), { code: 'ECONNRESET' })
    await assert.rejects(send('/cut'), { code: 'ECONNRESET' })
    await assert.rejects(send('/never', 20), { code: 'ETIMEDOUT' })
    assert.equal((await send('/echo')).status, 200)
    server.close()
    server.closeAllConnections()
    await assert.rejects(send('/echo'), { code: /ECONNRE(SET|FUSED)/ })
    await assert.rejects(send('/echo'), { code: 'ECONNREFUSED' })
  })
})

describe('the history of a run', () => {
  test('has a request in its file before it is sent', async (t) => {
    const file = fileOf(t)
    const recorder = Recorder.open(file)
    t.after(() => recorder.close())
    await Promise.all([recorder.write(SENT), recorder.write({ ...SENT, id: 'other' })])
    assert.equal(
      readFileSync(file, 'utf8'),
      `${JSON.stringify(SENT)}\n${JSON.stringify({ ...SENT, id: 'other' })}\n`,
    )
  })

  test('and its logs are read in pieces of whole lines that leave nothing out', (t) => {
    const file = fileOf(t)
    writeFileSync(file, '')
    assert.deepEqual([...piecesOf(file)], [])
    const line = `${'x'.repeat(99)}\n`
    for (let n = 0; n < 30; n++) appendFileSync(file, line.repeat(1_000))
    appendFileSync(file, 'cut by a kill')
    const pieces = [...piecesOf(file)]
    assert.ok(pieces.length > 2)
    assert.ok(pieces.slice(0, -1).every((piece) => piece.endsWith('\n')))
    assert.equal(pieces.join(''), readFileSync(file, 'utf8'))
    writeFileSync(file, `${'x'.repeat(3_000_000)}\nend\n`)
    assert.equal([...piecesOf(file)].join('').length, 3_000_005)
  })
})

test('admissions within a window are counted once each, as if every window were counted anew', () => {
  const random = seeded('windows')
  const windowMs = 50
  for (let run = 0; run < 20; run++) {
    const own: Exchange[] = []
    let at = 0
    for (let n = 0; n < 300; n++) {
      at += Math.floor(random() * 3)
      const endAt = random() < 0.05 ? Number.POSITIVE_INFINITY : at + Math.floor(random() * 80)
      own.push({ sent: { ...SENT, at }, endAt })
    }
    const anew = own.map(({ sent }, i) => {
      const to = sent.at + windowMs
      return own.slice(i).filter((one) => one.sent.at <= to && one.endAt <= to).length
    })
    assert.deepEqual(countsWithin(own, windowMs), anew)
  }
})

test('a higher rate has more clients, each with the load and the limit that it has at a low one', () => {
  const at = (rate: number) =>
    planRun({
      seed: 's',
      mode: 'orders',
      store: 'redis',
      durationMs: 60_000,
      nodes: 3,
      partners: 2,
      rate,
      ttlMs: undefined,
      newSecret: () => 'secret',
    })
  assert.deepEqual(
    usualClients(at(10)).map(({ name }) => name),
    ['ann', 'ben', 'cho'],
  )
  assert.equal(usualClients(at(300)).length, 60)
  assert.equal(new Set(at(300).clients.map(({ name }) => name)).size, 63)
  assert.deepEqual(at(300).limit, at(10).limit)
})

test('runs for a total have a rate that grows with the processors, and five minutes', () => {
  const alone = readOptions([])
  assert.deepEqual([alone.rate, alone.durationMs], [10, 60_000])
  const long = readOptions(['--total', '1000'])
  assert.ok(long.rate >= 150 && long.rate <= 1_000)
  assert.equal(long.durationMs, 300_000)
  assert.equal(readOptions(['--total', '1000', '--rate', '7']).rate, 7)
})

test('a key that has its response makes room for new ones, whatever its partner still asks for', async (t) => {
  const counts = new Map<string, number>()
  const held = new Set<ServerResponse>()
  let holds = true
  const respond = (response: ServerResponse) => response.writeHead(201, { 'Content-Length': 2 }).end('{}')
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key'])
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    // No key is asked for more than three times before it has its response.
    if (count > 3 && holds) held.add(response)
    else respond(response)
  })
  server.listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const planned = planRun({
    seed: 'room',
    mode: 'orders',
    store: 'redis',
    durationMs: 60_000,
    nodes: 1,
    partners: 1,
    rate: 96,
    ttlMs: undefined,
    newSecret: () => 'secret',
  })
  const plan = { ...planned, limit: null }
  const recorder = Recorder.open(fileOf(t))
  const partner = new Partner(plan, new Sender(plan, recorder, [url], 'p0'), 0)
  partner.start()
  // At its limit of 12 a partner whose keys are all held would send nothing new.
  await until('replays that have no response', () => held.size > 24)
  const before = counts.size
  await until('new keys', () => counts.size > before + 24)
  holds = false
  for (const response of held) respond(response)
  await partner.stop()
  recorder.close()
})
