import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { formRewrites, jsonRewrites } from './json-styles.ts'
import { lineIndex, type Mistake } from './mistakes.ts'

export interface BodyMistake {
  hint: string
  /** The bytes that were signed instead of the body that was sent. */
  body: Buffer
}

const BOM = '\u00ef\u00bb\u00bf'

/** Bodies that clients often sign instead of the bytes that they send. All differ from each other and from the body. */
export function bodyMistakes(body: Buffer): BodyMistake[] {
  const found = new Map<string, BodyMistake>()
  const add = (hint: string, bytes: Buffer) => {
    const key = bytes.toString('latin1')
    if (!bytes.equals(body) && !found.has(key)) found.set(key, { hint, body: bytes })
  }
  const text = body.toString('latin1')
  const latin1 = (changed: string) => Buffer.from(changed, 'latin1')
  add('an empty body was signed: sign the body that you send', Buffer.alloc(0))
  add('the body was signed with a newline at its end (echo adds one): use printf %s', latin1(`${text}\n`))
  add('the body was signed with CR LF at its end: sign the bytes that you send', latin1(`${text}\r\n`))
  add(
    'the body was sent with a newline at its end that was not signed: sign the bytes that you send',
    latin1(text.replace(/\r?\n$/, '')),
  )
  add(
    'the body was sent with leading or trailing white space that was not signed: sign the bytes that you send',
    latin1(text.trim()),
  )
  add(
    'the body was signed with LF for each CR LF: read the file as bytes',
    latin1(text.replaceAll('\r\n', '\n')),
  )
  add(
    'the body was signed with CR LF for each LF: read the file as bytes',
    latin1(text.replaceAll(/\r?\n/g, '\r\n')),
  )
  add(
    'the body was signed without its line breaks (curl -d @file drops them): use --data-binary @file',
    latin1(text.replaceAll(/[\r\n]/g, '')),
  )
  add(
    'the body was signed with a byte order mark before it (a Windows file): write the file without one',
    latin1(`${BOM}${text}`),
  )
  if (text.startsWith(BOM)) {
    add(
      'the body was sent with a byte order mark that was not signed: send the body without one',
      latin1(text.slice(BOM.length)),
    )
  }
  if (body.length === 0) {
    for (const nothing of ['{}', 'null', '""', '[]'])
      add(
        `there is no body, and ${nothing} was signed as one: sign the empty body, whose hash is that of zero bytes`,
        Buffer.from(nothing),
      )
  }
  for (const [hint, rewritten] of jsonRewrites(body)) {
    add(hint, Buffer.from(rewritten))
    add(`${hint}. It also had a newline at its end`, Buffer.from(`${rewritten}\n`))
  }
  for (const [hint, rewritten] of formRewrites(body)) add(hint, Buffer.from(rewritten))
  for (const [hint, bytes] of otherEncodings(body)) add(hint, bytes)
  return [...found.values()]
}

function otherEncodings(body: Buffer): [string, Buffer][] {
  if (!isUtf8(body)) return []
  const text = body.toString('utf8')
  const bytes = 'sign its UTF-8 bytes, which are what is sent'
  return [
    [`the body was signed in Latin-1 or Windows-1252: ${bytes}`, Buffer.from(text, 'latin1')],
    [
      `the body was signed in ASCII, with ? for other characters: ${bytes}`,
      questionMarks(text, /[^\0-\x7f]/gu),
    ],
    [
      `the body was signed in Latin-1, with ? for other characters: ${bytes}`,
      questionMarks(text, /[^\0-\xff]/gu),
    ],
    [`the body was signed in UTF-16 (Encoding.Unicode): ${bytes}`, Buffer.from(text, 'utf16le')],
    [
      `the body was encoded in UTF-8 twice before it was signed: ${bytes}`,
      Buffer.from(body.toString('latin1'), 'utf8'),
    ],
    [
      'the body was signed after Unicode normalisation (NFC): sign the bytes that you send',
      Buffer.from(text.normalize('NFC')),
    ],
    [
      'the body was signed after Unicode decomposition (NFD): sign the bytes that you send',
      Buffer.from(text.normalize('NFD')),
    ],
  ]
}

function questionMarks(text: string, others: RegExp): Buffer {
  return Buffer.from(text.replace(others, '?'), 'latin1')
}

/** Each changes the body and its hash line in v1. */
export function draftsOf(mistakes: readonly BodyMistake[]): Mistake[] {
  const at = lineIndex('hash')
  return mistakes.map(({ hint, body }) => {
    const hash = createHash('sha256').update(body).digest('hex')
    const text = body.toString('latin1')
    return {
      axis: 'body',
      hint,
      change: (draft) => ({
        ...draft,
        body: text,
        fields: draft.fields.map((old, i) => (i === at && old !== undefined ? hash : old)),
      }),
    }
  })
}
