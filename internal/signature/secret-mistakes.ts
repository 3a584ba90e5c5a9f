import { createHash } from 'node:crypto'
import type { Mistake } from './mistakes.ts'

const RAW = 'use the text of the secret as the key'

/**
 * What people use as the key in place of the secret.
 *
 * @param guess also what a caller without the secret could sign
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
  return useful.map(([says, variant]) => ({
    axis: 'secret',
    says,
    change: (draft) => ({ ...draft, secret: variant }),
  }))
}

type Variant = [says: string, secret: Buffer]

/** A shorter rest of a secret may be guessed. */
const UNGUESSABLE_BYTES = 16

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

const EMPTY =
  'the secret was empty (an environment variable that is not set?): read it where the program runs'
/** The MAC of these says nothing about the secret of the client. */
const GUESSES: Variant[] = [
  [EMPTY, Buffer.alloc(0)],
  ...['undefined', 'null', 'None', 'nil'].map(
    (word): Variant => [
      `the secret was the word "${word}": the variable or setting that holds it was not set`,
      Buffer.from(word),
    ],
  ),
  [
    'the secret of the demo, super-secret-key, was used: use the secret of this client',
    Buffer.from('super-secret-key'),
  ],
]

function textVariants(secret: Buffer): Variant[] {
  const text = secret.toString('latin1')
  const bare = text.trim()
  return [
    ['the secret was used with a newline at its end (from a file or echo): trim it', latin1(`${text}\n`)],
    ['the secret was used with CR LF at its end (from a file of Windows): trim it', latin1(`${text}\r\n`)],
    [
      'the secret was used with a CR at its end (a file of Windows that a shell read): trim it',
      latin1(`${text}\r`),
    ],
    [`the secret was used without the white space around it: ${RAW}`, latin1(bare)],
    ['the secret was used with a space behind it: trim it', latin1(`${text} `)],
    ['the secret was used with a space in front of it: trim it', latin1(` ${text}`)],
    ['the secret was used with its quotes, "...": take them off', latin1(`"${text}"`)],
    ["the secret was used with its quotes, '...': take them off", latin1(`'${text}'`)],
    [
      'the secret was used with a byte order mark in front (a file of Windows): take it off',
      latin1(`\u00ef\u00bb\u00bf${text}`),
    ],
    ['the secret was used with a zero byte at its end: use its length in bytes', latin1(`${text}\0`)],
    ['the secret was used in lower case: use it as it is', latin1(text.toLowerCase())],
    ['the secret was used in upper case: use it as it is', latin1(text.toUpperCase())],
    [
      'the secret was used without what stands in front of its first _: it belongs to the secret',
      latin1(text.replace(/^[A-Za-z]+_/, '')),
    ],
    ['the secret was used without its hyphens: they belong to the secret', latin1(text.replaceAll('-', ''))],
  ]
}

function cutVariants(secret: Buffer): Variant[] {
  const text = secret.toString('latin1')
  return [
    [
      'the secret was cut at a #, which begins a comment in .env files: put it in quotes there',
      latin1(text.replace(/#.*$/s, '').trimEnd()),
    ],
    [
      'the secret was cut at a $, which a shell or compose replaces: put it in single quotes, or write $$',
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
    const says = 'the secret was base64-decoded behind whsec_, as a library for Standard Webhooks does'
    variants.push([`${says}: to sign requests, ${RAW}`, Buffer.from(webhook, 'base64')])
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
