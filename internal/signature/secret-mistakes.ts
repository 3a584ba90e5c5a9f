import { createHash } from 'node:crypto'
import type { Mistake } from './mistakes.ts'

const RAW = 'use the text of the secret as the key'

/**
 * Keys that clients often use instead of the secret.
 *
 * @param guess include keys that a caller without the secret can know
 */
export function secretMistakes(secret: Buffer, guess: boolean): Mistake[] {
  const seen = new Set([secret.toString('latin1')])
  const cuts = cutVariants(secret).filter(([, { length }]) => guess || length >= UNGUESSABLE_BYTES)
  const variants = [...textVariants(secret), ...cuts, ...encodedVariants(secret), ...(guess ? GUESSES : [])]
  const isNew = ([, variant]: Variant) => {
    const text = variant.toString('latin1')
    return !seen.has(text) && seen.add(text)
  }
  const useful = variants.filter((variant) => isNew(variant) && (guess || variant[1].length > 0))
  return useful.map(([hint, variant]) => ({
    axis: 'secret',
    hint,
    change: (draft) => ({ ...draft, secret: variant }),
  }))
}

type Variant = [hint: string, secret: Buffer]

/** A shorter part of a secret could be guessed. */
const UNGUESSABLE_BYTES = 16

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

const EMPTY = 'the secret was empty (an environment variable that is not set?): set it where the program runs'
/** Keys that do not depend on the secret of the client. */
const GUESSES: Variant[] = [
  [EMPTY, Buffer.alloc(0)],
  ...['undefined', 'null', 'None', 'nil'].map(
    (word): Variant => [
      `the secret was the word "${word}": the variable or setting that holds it was not set`,
      Buffer.from(word),
    ],
  ),
  [
    'the demo secret, super-secret-key, was used: use the secret of this client',
    Buffer.from('super-secret-key'),
  ],
]

function textVariants(secret: Buffer): Variant[] {
  const text = secret.toString('latin1')
  const bare = text.trim()
  return [
    ['the secret was used with a newline at its end (from a file or echo): trim it', latin1(`${text}\n`)],
    ['the secret was used with CR LF at its end (from a Windows file): trim it', latin1(`${text}\r\n`)],
    [
      'the secret was used with CR at its end (a Windows file that a shell read): trim it',
      latin1(`${text}\r`),
    ],
    [`the secret was used without its leading and trailing white space: ${RAW}`, latin1(bare)],
    ['the secret was used with a space after it: trim it', latin1(`${text} `)],
    ['the secret was used with a space before it: trim it', latin1(` ${text}`)],
    ['the secret was used with its quotes, "...": remove them', latin1(`"${text}"`)],
    ["the secret was used with its quotes, '...': remove them", latin1(`'${text}'`)],
    [
      'the secret was used with a byte order mark before it (a Windows file): remove it',
      latin1(`\u00ef\u00bb\u00bf${text}`),
    ],
    ['the secret was used with a zero byte at its end: use its length in bytes', latin1(`${text}\0`)],
    ['the secret was used in lower case: use it as it is', latin1(text.toLowerCase())],
    ['the secret was used in upper case: use it as it is', latin1(text.toUpperCase())],
    [
      'the secret was used without the prefix before its first _: the prefix belongs to the secret',
      latin1(text.replace(/^[A-Za-z]+_/, '')),
    ],
    ['the secret was used without its hyphens: they belong to the secret', latin1(text.replaceAll('-', ''))],
  ]
}

function cutVariants(secret: Buffer): Variant[] {
  const text = secret.toString('latin1')
  return [
    [
      'the secret was cut at a #, which starts a comment in .env files: quote the secret there',
      latin1(text.replace(/#.*$/s, '').trimEnd()),
    ],
    [
      'the secret was cut at a $, which a shell or compose replaces: quote the secret with single quotes, or write $$',
      latin1(text.replace(/\$\w*/g, '')),
    ],
    ['the secret was cut at a space: put it in quotes', latin1(text.replace(/ .*$/s, ''))],
  ]
}

function encodedVariants(secret: Buffer): Variant[] {
  const text = secret.toString('latin1')
  const bare = text.trim()
  const words = secret.toString('utf8')
  const sha256 = createHash('sha256').update(secret)
  const digest = sha256.digest()
  const variants: Variant[] = [
    [`the secret was base64-encoded: ${RAW}`, latin1(secret.toString('base64'))],
    [`the secret was hex-encoded: ${RAW}`, latin1(secret.toString('hex'))],
    [`the SHA-256 of the secret was used as the key: ${RAW}`, digest],
    [`the hex SHA-256 of the secret was used as the key: ${RAW}`, latin1(digest.toString('hex'))],
    [`the secret was used in UTF-16 (Encoding.Unicode): use its UTF-8 bytes`, Buffer.from(words, 'utf16le')],
    [`the secret was used in Latin-1 or Windows-1252: use its UTF-8 bytes`, Buffer.from(words, 'latin1')],
    [`the secret was used in ASCII, with ? for other characters: use its UTF-8 bytes`, asciiOf(words)],
    [`the secret was encoded in UTF-8 twice: read its file as UTF-8`, Buffer.from(text, 'utf8')],
    [`the secret was URL-encoded: ${RAW}`, latin1(encodeURIComponent(wellFormed(words)))],
    [`the secret was URL-decoded: ${RAW}`, urlDecoded(bare)],
  ]
  if (/^([0-9a-f]{2})+$/i.test(bare))
    variants.push([`the secret was hex-decoded: ${RAW}`, Buffer.from(bare, 'hex')])
  if (/^[A-Za-z0-9+/_-]{4,}={0,2}$/.test(bare))
    variants.push([`the secret was base64-decoded: ${RAW}`, Buffer.from(bare, 'base64')])
  const [, webhook] = /^whsec_([A-Za-z0-9+/_-]+={0,2})$/.exec(bare) ?? []
  if (webhook !== undefined) {
    const hint =
      'the part of the secret after whsec_ was base64-decoded, as a library for Standard Webhooks does'
    variants.push([`${hint}: to sign requests, ${RAW}`, Buffer.from(webhook, 'base64')])
  }
  return variants
}

function asciiOf(text: string): Buffer {
  return latin1(text.replace(/[^\0-\x7f]/gu, '?'))
}

function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udfff]/gu, '?')
}

function urlDecoded(text: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(text), 'utf8')
  } catch {
    return latin1(text)
  }
}
