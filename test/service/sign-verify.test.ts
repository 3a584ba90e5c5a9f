import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ServiceOnDatabase, startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'
import vectors from '../vectors/signature-vectors.json' with { type: 'json' }

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const SECRET = "pä$s'wörd!"
const BODY = '{"user_id":"user-1","item":"book","amount":500}'
const directory = mkdtempSync(join(tmpdir(), 'oncekey sign-'))
let running: ServiceOnDatabase
let url: string

before(async () => {
  const clients = join(directory, 'clients.json')
  writeFileSync(
    clients,
    JSON.stringify({ acme: { secrets: [SECRET] }, modern: { secrets: [SECRET], min_scheme: 'rfc9421' } }),
  )
  running = await startServiceOnDatabase({ RATE_LIMITS: 'none', CLIENTS_FILE: clients, SIGNATURE_HINTS: '1' })
  url = `http://127.0.0.1:${running.port}`
})

after(async () => {
  await running.close()
  rmSync(directory, { recursive: true })
})

interface Result {
  code: number | null
  out: string
  err: string
}

async function run(
  program: string,
  args: string[],
  input: string | Buffer = '',
  env: Record<string, string> = {},
): Promise<Result> {
  const child = spawn(program, args, {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', HOME: directory, LC_ALL: 'C.UTF-8', ...env },
  })
  child.stdin.on('error', () => {}).end(input)
  const collect = async (stream: AsyncIterable<Buffer>) => {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, err, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended])
  return { code, out, err }
}

function oncekey(
  args: string[],
  input: string | Buffer = '',
  env: Record<string, string> = { ONCEKEY_SECRET: SECRET },
): Promise<Result> {
  return run(process.execPath, [PROGRAM, ...args], input, env)
}

/** Runs a command of `sign --curl` in bash and returns the response. */
async function curl(args: string[], input: string | Buffer = ''): Promise<string> {
  const signed = await oncekey(['sign', '--curl', '--client', 'acme', ...args], input)
  assert.equal(signed.code, 0, signed.err)
  const ran = await run('bash', ['-c', `${signed.out.replace(/^curl /, 'curl -sS --max-time 20 ')}`])
  assert.equal(ran.code, 0, ran.err)
  return ran.out
}

for (const scheme of ['v0', 'v1', 'rfc9421']) {
  test(`${scheme}: the curl command places an order, and run again gets the replay`, async () => {
    const signed = await oncekey([
      'sign',
      '--curl',
      '--client',
      'acme',
      '--scheme',
      scheme,
      '--key',
      `k-${scheme}`,
      '-d',
      BODY,
      `${url}/orders`,
    ])
    assert.match(
      signed.err,
      scheme === 'v0' ? /^# v0 has no timestamp/ : /^# valid for 300 s .* until 20\d\d-/,
    )
    const first = await run('bash', ['-c', signed.out])
    assert.match(first.out, /^HTTP\/1.1 201 /)
    assert.match(first.out, /"item":"book"/)
    assert.match((await run('bash', ['-c', signed.out])).out, /Idempotent-Replayed: true/i)
  })

  test(`${scheme}: the printed headers work with any HTTP client`, async () => {
    const send = async (target: string) => {
      const signed = await oncekey(['sign', '--client', 'acme', '--scheme', scheme, '-d', BODY, target])
      assert.match(signed.out, /^Idempotency-Key: [0-9a-f]{8}-[0-9a-f]{4}-4/m)
      const headers = signed.out
        .trim()
        .split('\n')
        .map((line) => line.split(/: (.*)/).slice(0, 2))
      return await fetch(`${url}${target}`, {
        method: 'POST',
        body: BODY,
        headers: headers.map(([name = '', value = '']) => [name, value]),
      })
    }
    const response = await send('/orders')
    assert.equal(response.status, 201, await response.text())
    // The signature covers the query. The unknown query parameter is refused only after the signature was accepted.
    const refused = await send('/orders?a=1&b=%20c')
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /does not support the query parameter/)
  })
}

test('curl commands work with characters that are special in shells and curl', async () => {
  const item = '@it\'s "q" $HOME `id` !! \\ é本 #~*?'
  const nasty = JSON.stringify({ user_id: "u'1", item, amount: 1 }).replaceAll(',', ',\n\t')
  const each = async (scheme: string) => {
    for (const [args, input] of [
      [['-d', nasty], ''],
      [['-d', '-'], `${nasty}\r\n`],
      [['--data-file', '-'], nasty],
    ] as const) {
      const response = await curl(['--scheme', scheme, ...args, `${url}/orders`], input)
      assert.match(response, /^HTTP\/1.1 201 /)
      assert.ok(response.includes(JSON.stringify(item).slice(1, -1)), response)
    }
    const file = join(directory, `it's a {${scheme}}.bin`)
    writeFileSync(file, `${nasty}\n\n`)
    assert.match(await curl(['--scheme', scheme, '--data-file', file, `${url}/orders`]), /^HTTP\/1.1 201 /)
    writeFileSync(file, Buffer.from([0, 255, 10, 13, 64]))
    // The signature is valid, so the body is refused.
    assert.match(
      await curl(['--scheme', scheme, '--data-file', file, `${url}/orders`]),
      /"code":"invalid_json"/,
    )
    assert.match(
      await curl(['--scheme', scheme, '-d', '-', `${url}/orders`], Buffer.from([255, 254])),
      /"code":"invalid_json"/,
    )
  }
  await Promise.all(['v0', 'v1', 'rfc9421'].map(each))
})

test('curl commands keep the method and the target unchanged', async () => {
  for (const scheme of ['v1', 'rfc9421']) {
    assert.match(await curl(['--scheme', scheme, `${url}/orders?limit=1`]), /^HTTP\/1.1 200 /)
    assert.match(await curl(['--scheme', scheme, `${url}/orders?limit=1#top`]), /^HTTP\/1.1 200 /)
    assert.match(
      await curl(['--scheme', scheme, `${url}/orders?limit=1&x={a,b}[1-2]'`]),
      /^HTTP\/1.1 (200|400) /,
    )
    assert.match(await curl(['--scheme', scheme, '-X', 'HEAD', `${url}/orders`]), /^HTTP\/1.1 200 /)
    assert.match(await curl(['--scheme', scheme, '-X', 'DELETE', `${url}/orders`]), /^HTTP\/1.1 405 /)
    for (const target of ['/orders/./x', '/orders/../orders/x']) {
      assert.doesNotMatch(await curl(['--scheme', scheme, `${url}${target}`]), /^HTTP\/1.1 401 /)
    }
  }
})

test('sign prints the signatures of the published vectors', async () => {
  for (const { client, secret, timestamp, method, target, key, body, v0, v1 } of vectors.cases) {
    const common = [
      'sign',
      '--client',
      client,
      '-X',
      method,
      '--key',
      key,
      '--at',
      String(timestamp),
      '-d',
      '-',
      target,
    ]
    const env = { OTHER: secret, ONCEKEY_SECRET: 'not this' }
    const signed = await oncekey([...common, '--secret-env', 'OTHER'], body, env)
    assert.match(signed.out, new RegExp(`^X-Signature: t=${timestamp},v1=${v1}$`, 'm'))
    const file = join(directory, 'secret')
    writeFileSync(file, `${secret}\n`)
    const verified = await oncekey(
      [
        'verify',
        '--secret-file',
        file,
        '--client',
        client,
        '-X',
        method,
        ...(key === '' ? [] : ['--key', key]),
        '--at',
        String(timestamp),
        '-d',
        '-',
        '--signature',
        `t=${timestamp},v1=${v1}`,
        target,
      ],
      body,
    )
    assert.equal(verified.code, 0, verified.out)
    if (body !== '') {
      const weak = await oncekey([...common, '--secret', secret, '--scheme', 'v0'], body)
      assert.match(weak.out, new RegExp(`^X-Signature: ${v0}$`, 'm'))
    }
  }
})

test('verify names the mistake, shows the string to sign with its line breaks, and exits with 1', async () => {
  const at = 1767225600
  const lines = ['v1', String(at), 'POST', '/orders', 'acme', 'k1', createHmac('sha256', '').digest('hex')]
  const signed = await oncekey([
    'sign',
    '--client',
    'acme',
    '--key',
    'k1',
    '--at',
    String(at),
    '-d',
    `${BODY}\n`,
    '/orders',
  ])
  const signature = /^X-Signature: (.*)$/m.exec(signed.out)?.[1] ?? ''
  const raw = [
    'POST /orders HTTP/1.1',
    'Host: shop.example',
    'x-client-id: acme',
    'Idempotency-Key: k1',
    `X-Signature: ${signature}`,
  ]
  for (const [args, input] of [
    [['--client', 'acme', '--key', 'k1', '-d', BODY, '--signature', signature, '/orders'], ''],
    [['--request', '-'], `${raw.join('\r\n')}\r\n\r\n${BODY}`],
    [['--request', '-'], `${raw.join('\n')}\nContent-Length: ${BODY.length}\n\n${BODY}\n`],
  ] as const) {
    const result = await oncekey(['verify', '--at', String(at), ...args], input)
    assert.equal(result.code, 1, result.err)
    assert.match(result.out, /signature_invalid \(client acme, scheme v1\)/)
    assert.match(result.out, /- the body was signed with a newline at its end/)
    assert.ok(result.out.includes(`  ${lines.slice(0, 6).join('\u240a\n  ')}\u240a\n  40ebc5ba`), result.out)
  }
  const wrong = await oncekey(
    ['verify', '--at', String(at), '--request', '-', '--secret', 'other'],
    `${raw.join('\n')}\n\n${BODY}`,
  )
  assert.equal(wrong.code, 1)
  assert.match(wrong.out, /No known mistake fits/)
})

test('verify accepts what sign makes, in each scheme', async () => {
  for (const scheme of ['v0', 'v1', 'rfc9421']) {
    const signed = await oncekey(['sign', '--client', 'acme', '--scheme', scheme, '-d', BODY, '/orders'])
    const raw = `POST /orders HTTP/1.1\r\n${signed.out.replaceAll('\n', '\r\n')}\r\n${BODY}`
    const verified = await oncekey(['verify', '--request', '-'], raw)
    assert.equal(verified.code, 0, verified.out)
    assert.match(verified.out, new RegExp(`^ok: .*client acme, scheme ${scheme}`))
  }
})

test('a wrong option is reported in one line without a stack trace, and --help works', async () => {
  for (const args of [['sign', '--scheme', 'v2', '/'], ['verify', '--nope'], ['sign']]) {
    const result = await oncekey(args)
    assert.equal(result.code, 1)
    assert.equal(result.out, '')
    assert.match(result.err, /^oncekey (sign|verify): [^\n]+\n$/)
  }
  for (const command of ['sign', 'verify']) {
    const help = await oncekey([command, '--help'], '', {})
    assert.equal(help.code, 0)
    assert.match(help.out, new RegExp(`^Usage: oncekey ${command} `))
  }
})

test('rfc9421 has its own metric, and is accepted for a client that requires it', async () => {
  const key = randomBytes(4).toString('hex')
  const args = ['sign', '--curl', '--client', 'modern', '--key', key, '-d', BODY, `${url}/orders`]
  const v1 = await oncekey(args)
  assert.match((await run('bash', ['-c', v1.out])).out, /"code":"scheme_not_allowed"/)
  const modern = await oncekey([...args, '--scheme', 'rfc9421'])
  assert.match((await run('bash', ['-c', modern.out])).out, /^HTTP\/1.1 201 /)
  const wrong = modern.out.replace(/(?<='Signature: sig1=:)./, (c) => (c === 'A' ? 'B' : 'A'))
  assert.match((await run('bash', ['-c', wrong])).out, /"code":"signature_invalid"/)
  const series = await running.series()
  for (const result of ['ok', 'signature_invalid']) {
    assert.ok(
      series.some(
        (line) =>
          line.startsWith('signature_verifications_total') &&
          line.includes('scheme="rfc9421"') &&
          line.includes(`result="${result}"`),
      ),
      series.join('\n'),
    )
  }
})

test('with SIGNATURE_HINTS=1 the response names the mistake, and the start warns that this is for tests', async () => {
  const signed = await oncekey(['sign', '--client', 'acme', '-d', `${BODY}\n`, '/orders'])
  const headers = signed.out
    .trim()
    .split('\n')
    .map((line): [string, string] => {
      const [name = '', value = ''] = line.split(/: (.*)/)
      return [name, value]
    })
  const response = await fetch(`${url}/orders`, { method: 'POST', body: BODY, headers })
  assert.equal(response.status, 401)
  const problem: unknown = await response.json()
  assert.match(JSON.stringify(problem), /Hint: the body was signed with a newline at its end/)
  const { service } = running
  await until('the warning is in the log', () =>
    service.log().includes('SIGNATURE_HINTS=1 is for test environments'),
  )
})
