import { ODD_TOKENS } from './dictionary.ts'
import type { Random } from './random.ts'

type Mutation = (bytes: Buffer, random: Random) => Buffer

/** One to three changes of a request: of bytes, of pieces, of lines. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let changed = bytes
  for (let n = 1 + random.int(3); n > 0; n--) changed = random.pick(MUTATIONS)(changed, random)
  return changed
}

const MUTATIONS: [Mutation, ...Mutation[]] = [
  function flipBit(bytes, random) {
    const copy = Buffer.from(bytes)
    const at = random.int(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << random.int(8))
    return copy
  },
  function setByte(bytes, random) {
    const copy = Buffer.from(bytes)
    copy[random.int(copy.length)] = random.int(256)
    return copy
  },
  function insertToken(bytes, random) {
    return spliced(bytes, random.int(bytes.length + 1), 0, Buffer.from(random.pick(ODD_TOKENS), 'latin1'))
  },
  function replaceByToken(bytes, random) {
    const token = Buffer.from(random.pick(ODD_TOKENS), 'latin1')
    return spliced(bytes, random.int(bytes.length + 1), random.int(10), token)
  },
  function insertBytes(bytes, random) {
    return spliced(bytes, random.int(bytes.length + 1), 0, random.bytes(1 + random.int(8)))
  },
  function deletePiece(bytes, random) {
    return spliced(bytes, random.int(bytes.length + 1), 1 + random.int(20), Buffer.alloc(0))
  },
  function repeatPiece(bytes, random) {
    const at = random.int(bytes.length + 1)
    return spliced(bytes, at, 0, bytes.subarray(at, at + 1 + random.int(200)))
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random.int(bytes.length + 1))
  },
  function changeNumber(bytes, random) {
    const text = bytes.toString('latin1')
    const numbers = [...text.matchAll(/\d+/g)]
    const found = numbers[random.int(numbers.length)]
    if (found === undefined) return bytes
    const value = random.pick(['0', '-1', '00', '2', '47', '65536', '65537', '99999999999999999999', '0x2f'])
    return spliced(bytes, found.index, found[0].length, Buffer.from(value))
  },
  onLines(function repeatLine(lines, random) {
    const at = random.int(lines.length)
    lines.splice(at, 0, lines[at] ?? '')
  }),
  onLines(function dropLine(lines, random) {
    lines.splice(random.int(lines.length), 1)
  }),
  onLines(function swapLines(lines, random) {
    const [a, b] = [random.int(lines.length), random.int(lines.length)]
    const [first = '', second = ''] = [lines[a], lines[b]]
    lines[a] = second
    lines[b] = first
  }),
  onLines(function foldLine(lines, random) {
    const at = random.int(lines.length)
    lines[at] = `${random.pick([' ', '\t'])}${lines[at]}`
  }),
  onLines(function changeCase(lines, random) {
    const at = random.int(lines.length)
    lines[at] = random.chance(0.5) ? (lines[at] ?? '').toUpperCase() : (lines[at] ?? '').toLowerCase()
  }),
  function bareLineFeeds(bytes) {
    return Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  },
]

function spliced(bytes: Buffer, at: number, remove: number, put: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + remove)])
}

/** Changes the lines of the head; the body stays. */
function onLines(change: (lines: string[], random: Random) => void): Mutation {
  return (bytes, random) => {
    const text = bytes.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    const lines = text.slice(0, end === -1 ? text.length : end).split('\r\n')
    change(lines, random)
    return Buffer.from(lines.join('\r\n') + (end === -1 ? '' : text.slice(end)), 'latin1')
  }
}
