import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClientRules, parseClients } from '../../internal/signature/parse-clients.ts'

const NO_RULES = { taken: [], refusedSecrets: [] }

function parse(content: unknown, rules: Partial<ClientRules> = {}) {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  return parseClients(bytes, 'clients.json', { ...NO_RULES, ...rules })
}

test('clients are read with their secrets and schemes', () => {
  const clients = parse({
    acme: { secrets: ['sk_1', 'pässword-ключ'], min_scheme: 'v1' },
    'cafe.partner': { secrets: ['sk_1'] },
  })
  assert.deepEqual([...clients.keys()], ['acme', 'cafe.partner'])
  const acme = clients.get('acme')
  assert.equal(acme?.minScheme, 'v1')
  assert.deepEqual(
    acme.secrets.map((secret) => secret.key.export().toString('utf8')),
    ['sk_1', 'pässword-ключ'],
  )
  assert.equal(clients.get('cafe.partner')?.minScheme, undefined)
})

test('limits of a client are checked by the given rule, and a fault names its JSON Pointer', () => {
  const checkLimits = (text: string) => {
    if (text !== 'client=600/60s') throw new Error('they are odd')
  }
  const one = (limits: unknown) => parse({ acme: { secrets: ['sk_1'], limits } }, { checkLimits })
  assert.equal(one('client=600/60s').get('acme')?.limits, 'client=600/60s')
  assert.throws(() => one('client=x'), /^Error: clients\.json: \/acme\/limits cannot be read: they are odd$/)
  assert.throws(() => one(5), /\/acme\/limits must be a string/)
})

test('names that are special in JavaScript are ordinary clients', () => {
  const bytes = Buffer.from('{"__proto__":{"secrets":["a"]},"constructor":{"secrets":["b"]}}')
  assert.deepEqual([...parse(bytes).keys()], ['__proto__', 'constructor'])
  assert.equal(parse({}).get('toString'), undefined)
})

const SECRET = 'sk_live_do_not_print'
const many = (count: number) => Array.from({ length: count }, (_, i) => `${SECRET}${i}`)

const FAULTS: [name: string, content: unknown, message: RegExp][] = [
  ['text that is not JSON', Buffer.from(`{"acme":{"secrets":[${SECRET}]}}`), /^clients\.json: .*valid JSON$/],
  ['an empty file', Buffer.from(''), /valid JSON/],
  ['half a file', Buffer.from(`{"acme":{"secrets":["${SECRET}"`), /valid JSON/],
  [
    'a client that appears twice',
    Buffer.from(`{"acme":{"secrets":["${SECRET}"]},"b":{"secrets":["{"]}, "ac\\u006de" :{"secrets":["x"]}}`),
    /^clients\.json: \/acme appears twice$/,
  ],
  [
    'a member that appears twice',
    Buffer.from(`{"a/b":{"secrets":["\\"}${SECRET}"],"secrets":["x"]}}`),
    /^clients\.json: \/a~1b\/secrets appears twice$/,
  ],
  ['a byte order mark', Buffer.from(`\ufeff{"acme":{"secrets":["${SECRET}"]}}`), /byte order mark \(BOM\)/],
  [
    'UTF-16',
    Buffer.from(`\ufeff{"acme":{"secrets":["${SECRET}"]}}`, 'utf16le'),
    /must be UTF-8, and is UTF-16/,
  ],
  [
    'a secret with a newline at its end',
    { acme: { secrets: [`${SECRET}\n`] } },
    /\/acme\/secrets\/0 must have no white space/,
  ],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /must be UTF-8/],
  ['a list', [SECRET], /one JSON object/],
  ['null', null, /one JSON object/],
  ['a client id outside the grammar', { 'a b/c': { secrets: [SECRET] } }, /\/a b~1c is not a client id/],
  [
    'the name of callers without credentials',
    { anonymous: { secrets: [SECRET] } },
    /\/anonymous is reserved/,
  ],
  ['an empty client id', { '': { secrets: [SECRET] } }, /\/ is not a client id/],
  ['a client id of 65', { ['x'.repeat(65)]: { secrets: [SECRET] } }, /\/x{65} is not a client id/],
  ['a client that is a secret', { acme: SECRET }, /\/acme must be \{"secrets"/],
  ['a client without secrets', { acme: {} }, /\/acme\/secrets must be a list/],
  ['no secrets', { acme: { secrets: [] } }, /\/acme\/secrets must hold 1 to 3/],
  ['four secrets', { acme: { secrets: many(4) } }, /\/acme\/secrets must hold 1 to 3/],
  ['an empty secret', { acme: { secrets: [SECRET, ''] } }, /\/acme\/secrets\/1 must not be empty/],
  ['a secret that is no string', { acme: { secrets: [42] } }, /\/acme\/secrets\/0 must be a string/],
  [
    'the same secret twice',
    { acme: { secrets: [SECRET, SECRET] } },
    /\/acme\/secrets must not hold the same/,
  ],
  ['an unknown member', { acme: { secrets: [SECRET], [SECRET]: 1 } }, /\/acme must be .* nothing else/],
  [
    'an unknown scheme',
    { acme: { secrets: [SECRET], min_scheme: SECRET } },
    /\/acme\/min_scheme must be one of v0/,
  ],
]

for (const [name, content, message] of FAULTS) {
  test(`${name} is refused with its rule, and the error contains no secret`, () => {
    assert.throws(
      () => parse(content),
      (error: unknown) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, message)
        assert.match(error.message, /^clients\.json: /)
        assert.equal(`${error.stack}${String(error.cause)}`.includes(SECRET), false)
        return true
      },
    )
  })
}

test('all faults are reported in one error', () => {
  const content = {
    acme: { secrets: [''] },
    zeta: { secrets: [1], min_scheme: 'v9' },
    fine: { secrets: ['x'] },
  }
  assert.throws(() => parse(content), /\/acme\/secrets\/0 .*; \/zeta\/secrets\/0 .*; \/zeta\/min_scheme /)
})

test('a client that is defined elsewhere is refused', () => {
  assert.throws(
    () => parse({ default: { secrets: ['x'] } }, { taken: ['default'] }),
    /\/default is already defined/,
  )
  assert.equal(parse({ default: { secrets: ['x'] } }).size, 1)
})

test('a published secret is refused where it must not be in force', () => {
  const content = { acme: { secrets: ['mine', SECRET] } }
  assert.throws(
    () => parse(content, { refusedSecrets: [SECRET] }),
    /\/acme\/secrets\/1 is a published secret$/,
  )
  assert.equal(parse(content).size, 1)
})

test('minSecretBytes counts bytes', () => {
  const secrets = (text: string) => ({ acme: { secrets: [text] } })
  const rules = { minSecretBytes: 16 }
  assert.throws(
    () => parse(secrets('fifteen-letters'), rules),
    /\/acme\/secrets\/0 must have at least 16 bytes/,
  )
  assert.equal(parse(secrets('eightletö-ütters'), rules).size, 1)
})

test('the same name in two objects, or inside a string, is not a repetition', () => {
  const clients = parse(Buffer.from('{"a":{"secrets":["\\"b\\": {"]},"b":{"secrets":["}\\\\"]}}'))
  assert.deepEqual([...clients.keys()], ['a', 'b'])
})
