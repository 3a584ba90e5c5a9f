import { parseArgs } from 'node:util'
import { WireBody } from '../../internal/core/request-state.ts'
import { type Explanation, explain } from '../../internal/signature/explain.ts'
import { DEFAULT_TOLERANCE_MS, type SignedRequest } from '../../internal/signature/schemes.ts'
import { readOption } from '../config/read-option.ts'
import { parseDuration } from '../config/setting-values.ts'
import { parseRawRequest } from './raw-request.ts'
import {
  REQUEST_HELP,
  REQUEST_OPTIONS,
  type RequestValues,
  readBytes,
  readClient,
  readInput,
  readNow,
  readRequest,
  readSecret,
  SECRET_HELP,
} from './request-options.ts'

export const HELP = `Usage: oncekey verify [OPTIONS] URL
       oncekey verify [OPTIONS] --request FILE

Says whether a signature matches, and if not, which mistake was probably made. Shows the string to sign with each
line break as \u240a. Exit code 0 if the service would accept the request, 1 if not.

  --request FILE       the whole request as it was received: request line, headers, an empty line, body;
                       - reads it from standard input. With --client: whom the partner takes itself for
  --signature VALUE    the value of X-Signature
  -H, --header LINE    any other header, such as 'Signature-Input: ...'; may be repeated
  --tolerance TIME     how far the timestamp may be off (300s)
${REQUEST_HELP}

${SECRET_HELP}

  export ONCEKEY_SECRET=super-secret-key
  oncekey verify --signature t=1767225600,v1=... --key key-001 -d '{"amount":500}' /orders
`

export async function verify(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...REQUEST_OPTIONS,
      request: { type: 'string' },
      signature: { type: 'string' },
      header: { type: 'string', short: 'H', multiple: true },
      tolerance: { type: 'string' },
    },
  })
  const secret = readSecret(values)
  const { request, notes } =
    values.request === undefined ? fromOptions(values, positionals) : fromRaw(values, positionals)
  const explanation = explain(request, [secret], {
    nowMs: readNow(values, Date.now),
    toleranceMs: readOption('tolerance', values.tolerance, parseDuration) ?? DEFAULT_TOLERANCE_MS,
    client: values.client === undefined ? undefined : readClient(values),
  })
  process.stdout.write(report(explanation, notes))
  return explanation.code === 'ok' ? 0 : 1
}

type VerifyValues = RequestValues & {
  [Name in 'request' | 'signature']?: string | undefined
} & { header?: string[] | undefined }

interface Received {
  request: SignedRequest
  /** What is unusual about the recorded request. */
  notes: string[]
}

function fromRaw(values: VerifyValues, positionals: readonly string[]): Received {
  const given = ['method', 'data', 'data-file', 'key', 'signature', 'header'] as const
  const clash =
    positionals.length > 0
      ? 'a URL'
      : given.filter((name) => values[name] !== undefined).map((name) => `--${name}`)[0]
  if (clash !== undefined) throw new Error(`give --request or ${clash}, not both`)
  const file = values.request ?? '-'
  return parseRawRequest(file === '-' ? readInput() : readBytes('--request', file))
}

function fromOptions(values: VerifyValues, positionals: readonly string[]): Received {
  const { host, target, method, body } = readRequest(values, positionals, ', or --request')
  const rawHeaders: string[] = []
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined) rawHeaders.push(name, Buffer.from(value, 'utf8').toString('latin1'))
  }
  add('Host', host)
  add('Idempotency-Key', values.key)
  add('X-Client-Id', values.client)
  add('X-Signature', values.signature)
  for (const line of values.header ?? []) {
    const [, name, value] = /^([^\s:]+):\s*(.*?)\s*$/.exec(line) ?? []
    if (name === undefined) throw new Error(`--header ${JSON.stringify(line)}: it must be 'Name: value'`)
    add(name, value)
  }
  const wire = Buffer.from(target, 'utf8').toString('latin1')
  return { request: { method, target: wire, rawHeaders, body: new WireBody(body) }, notes: [] }
}

function report(
  { code, scheme, client, detail, stringToSign, mistakes }: Explanation,
  notes: readonly string[],
): string {
  const lines = notes.map((note) => `note: ${note}`)
  const who = `client ${client ?? '(not a client id)'}, scheme ${scheme}`
  if (code === 'ok') lines.push(`ok: the signature matches (${who})`)
  else lines.push(`${code} (${who})`, `  ${detail}`)
  if (stringToSign !== undefined) {
    const what = scheme === 'v0' ? 'The string to sign, which is the body' : 'The string to sign'
    lines.push('', `${what} (${stringToSign.length} bytes; \u240a is a line break, LF):`)
    lines.push(...visible(stringToSign).map((line) => `  ${line}`))
  }
  if (code !== 'ok') lines.push('', ...verdictOn(code, mistakes))
  return `${lines.join('\n')}\n`
}

function verdictOn(code: string, mistakes: readonly string[]): string[] {
  if (mistakes.length > 0) return ['Likely mistake:', ...mistakes.map((mistake) => `  - ${mistake}`)]
  if (code !== 'signature_invalid') return []
  return [
    'No known mistake fits. Most likely another secret was used, or the request was changed on its way.',
    'Compare the string to sign with yours, byte for byte.',
  ]
}

/** Lines for a terminal: characters that are not printable are escaped. */
function visible(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .replace(/[^\P{C}\n]|\ufffd/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
    .replaceAll('\n', '\u240a\n')
    .split('\n')
}
