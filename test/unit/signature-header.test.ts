import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { headerValues } from '../../internal/core/header-values.ts'
import { parseSignature, readSignature } from '../../internal/signature/signature-header.ts'

const MAC = '22bf9dfb710eaa2496aff9d1c1f28e4511110de89a025b941eddb6b16afd0648'
const mac = Buffer.from(MAC, 'hex')

test('64 hex digits are a v0 signature, in either case', () => {
  assert.deepEqual(parseSignature([MAC]), { scheme: 'v0', mac })
  assert.deepEqual(parseSignature([MAC.toUpperCase()]), { scheme: 'v0', mac })
})

test('t and one to three v1 are a v1 signature, in either case of hex', () => {
  for (const count of [1, 2, 3]) {
    const macs = Array.from({ length: count }, () => mac)
    const value = `t=1767225600${`,v1=${MAC}`.repeat(count)}`
    assert.deepEqual(parseSignature([value]), { scheme: 'v1', timestamp: 1767225600, macs })
  }
  const upper = parseSignature([`t=0,v1=${MAC.toUpperCase()}`])
  assert.deepEqual(upper, { scheme: 'v1', timestamp: 0, macs: [mac] })
})

test('several macs keep their order', () => {
  const other = 'ab'.repeat(32)
  const parsed = parseSignature([`t=1,v1=${MAC},v1=${other}`])
  assert.deepEqual(parsed, { scheme: 'v1', timestamp: 1, macs: [mac, Buffer.from(other, 'hex')] })
})

test('the longest timestamp has 15 digits and is exact', () => {
  const parsed = parseSignature([`t=999999999999999,v1=${MAC}`])
  assert.deepEqual(parsed, { scheme: 'v1', timestamp: 999999999999999, macs: [mac] })
})

const MALFORMED: Record<string, string[]> = {
  'an empty header': [''],
  '63 digits': [MAC.slice(1)],
  '65 digits': [`${MAC}0`],
  '128 digits': [MAC + MAC],
  'a digit that is not hex': [`g${MAC.slice(1)}`],
  'garbage after v0': [`${MAC} x`],
  'a line feed after v0': [`${MAC}\n`],
  'a prefix before v0': [`sha256=${MAC}`],
  'a repeated header': [MAC, MAC],
  'repeated v1 headers': [`t=1,v1=${MAC}`, `t=1,v1=${MAC}`],
  'joined headers': [`${MAC}, ${MAC}`],
  'both schemes in one header': [`t=1,v1=${MAC},${MAC}`],
  'both schemes in one header, v0 first': [`${MAC},t=1,v1=${MAC}`],
  'v0 as a member': [`t=1,v0=${MAC}`],
  'both schemes in two headers': [MAC, `t=1,v1=${MAC}`],
  'no v1': ['t=1'],
  'no t': [`v1=${MAC}`],
  'v1 before t': [`v1=${MAC},t=1`],
  'four v1': [`t=1${`,v1=${MAC}`.repeat(4)}`],
  'two t': [`t=1,t=1,v1=${MAC}`],
  't at both ends': [`t=1,v1=${MAC},t=1`],
  'an unknown member': [`t=1,v1=${MAC},v2=${MAC}`],
  'a trailing comma': [`t=1,v1=${MAC},`],
  'a space': [`t=1, v1=${MAC}`],
  'upper-case names': [`T=1,V1=${MAC}`],
  'garbage after v1': [`t=1,v1=${MAC}zz`],
  'a line feed after v1': [`t=1,v1=${MAC}\n`],
  'a short mac': [`t=1,v1=${MAC.slice(2)}`],
  'an empty mac': ['t=1,v1='],
  'one good and one bad mac': [`t=1,v1=${MAC},v1=zz`],
  'an empty timestamp': [`t=,v1=${MAC}`],
  NaN: [`t=NaN,v1=${MAC}`],
  Infinity: [`t=Infinity,v1=${MAC}`],
  'a negative timestamp': [`t=-1,v1=${MAC}`],
  'a signed timestamp': [`t=+1,v1=${MAC}`],
  'a fraction': [`t=1.5,v1=${MAC}`],
  'an exponent': [`t=1e9,v1=${MAC}`],
  'a hex timestamp': [`t=0x10,v1=${MAC}`],
  'a leading zero': [`t=01,v1=${MAC}`],
  '16 digits of time': [`t=1000000000000000,v1=${MAC}`],
  'digits of another script': [`t=١,v1=${MAC}`],
}

for (const [name, values] of Object.entries(MALFORMED)) {
  test(`${name} is malformed`, () => assert.equal(parseSignature(values), 'malformed'))
}

test('no header gives missing', () => {
  assert.equal(readSignature([]), 'missing')
  assert.equal(readSignature(['X-Signature-Other', MAC, 'Host', MAC]), 'missing')
})

test('the header is found in any case, and its lines are not joined', () => {
  assert.deepEqual(readSignature(['x-SIGNATURE', MAC]), { scheme: 'v0', mac })
  assert.equal(readSignature(['x-signature', MAC, 'X-Signature', MAC]), 'malformed')
  assert.deepEqual(headerValues(['A', '1', 'b', '2', 'a', '3'], 'a'), ['1', '3'])
})

test('a value that looks like the header name is not read as the header', () => {
  assert.equal(readSignature(['Host', 'x-signature', 'Accept', MAC]), 'missing')
})

test('one RFC 9421 header alone, or together with X-Signature, is malformed', () => {
  for (const name of ['Signature', 'Signature-Input']) {
    for (const other of [[], ['X-Signature', `t=1,v1=${MAC}`], ['X-Signature', '']]) {
      const read = readSignature([...other, name, 'sig1=:AAAA:'])
      assert.ok(typeof read === 'object' && 'malformed' in read)
    }
  }
})

test('parsing never throws, and the result has the values of the header', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('t=', 'v1=', ',', MAC, MAC.toUpperCase(), '1767225600', '-', 'NaN', '0', ' ', '\n'),
  )
  const value = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(fc.array(value, { maxLength: 3 }), (values) => {
      const parsed = parseSignature(values)
      if (typeof parsed === 'string') return
      const macs = parsed.scheme === 'v0' ? [parsed.mac] : parsed.macs
      assert.ok(macs.length >= 1 && macs.length <= 3 && macs.every((each) => each.length === 32))
      const hex = macs.map((each) => each.toString('hex'))
      const written = parsed.scheme === 'v0' ? hex.join() : `t=${parsed.timestamp},v1=${hex.join(',v1=')}`
      assert.equal(
        written,
        values[0]?.replaceAll(/[A-F]/g, (digit) => digit.toLowerCase()),
      )
    }),
    { numRuns: 2_000 },
  )
  fc.assert(fc.property(fc.array(fc.string()), (rawHeaders) => void readSignature(rawHeaders)))
})
