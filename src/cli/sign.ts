import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { SCHEMES } from '../../internal/signature/client-registry.ts'
import { DEFAULT_TOLERANCE_MS } from '../../internal/signature/schemes.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { readOption } from '../config/read-option.ts'
import { oneOf } from '../config/setting-values.ts'
import {
  hasControls,
  REQUEST_HELP,
  REQUEST_OPTIONS,
  type RequestValues,
  readClient,
  readNow,
  readRequest,
  readSecret,
  SECRET_HELP,
} from './request-options.ts'
import { shellQuote, shellQuoteBytes } from './shell-quote.ts'

export const HELP = `Usage: oncekey sign [OPTIONS] URL

Signs a request and prints the headers to send with it, one a line, or with --curl a command for bash.
URL is http://HOST/PATH, https://HOST/PATH or, without --curl, just /PATH.

  --curl               prints a curl command that sends the request
  --scheme SCHEME      v1 (default), rfc9421 (HTTP Message Signatures) or v0 (the body alone; deprecated)
  --content-type TYPE  of the body (application/json)
${REQUEST_HELP}

A POST without --key gets a new UUID as its key; --key '' sends none.

${SECRET_HELP}

  export ONCEKEY_SECRET=super-secret-key
  oncekey sign --curl --key key-001 -d '{"user_id":"user-1","item":"book","amount":500}' \\
    http://127.0.0.1:8080/orders
`

export async function sign(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...REQUEST_OPTIONS,
      curl: { type: 'boolean' },
      scheme: { type: 'string' },
      'content-type': { type: 'string' },
    },
  })
  const scheme = readOption('scheme', values.scheme ?? 'v1', oneOf(SCHEMES))
  const { url, origin, target, method, body } = readRequest(values, positionals)
  if (values.curl === true && origin === undefined)
    throw new Error(`${url}: --curl needs a URL with its host`)
  const secret = readSecret(values)
  if (scheme === 'v0' && body.length === 0)
    throw new Error('--scheme v0: it covers only the body, and there is none; use v1')
  const nowMs = readNow(values, Date.now)
  const request = {
    method,
    target,
    client: readClient(values),
    key: headerValue('--key', values.key ?? (method === 'POST' ? randomUUID() : '')),
    body,
    timestamp: Math.floor(nowMs / 1000),
  }
  const type = headerValue('--content-type', values['content-type'] ?? 'application/json')
  const headers: [string, string][] = [
    ...(body.length === 0 ? [] : [['Content-Type', type] satisfies [string, string]]),
    ...headersOf(scheme, secret, request),
  ]
  if (values.curl !== true) {
    process.stdout.write(headers.map(([name, value]) => `${name}: ${value}\n`).join(''))
    return 0
  }
  process.stdout.write(`${curl(method, `${origin}${target}`, headers, values, body)}\n`)
  process.stderr.write(`# ${validity(scheme, nowMs)}\n`)
  return 0
}

function headersOf(...[scheme, secret, request]: Parameters<typeof signedHeaders>): [string, string][] {
  try {
    return signedHeaders(scheme, secret, request)
  } catch (error) {
    if (error instanceof RangeError) throw new Error(`--scheme ${scheme}: ${error.message}`)
    throw error
  }
}

/** HTTP would trim it, and the signature would not match. */
function headerValue(option: string, value: string): string {
  if (hasControls(value) || value.trim() !== value)
    throw new Error(`${option} ${JSON.stringify(value)}: no control characters, and no spaces around it`)
  return value
}

function curl(
  method: string,
  url: string,
  headers: readonly (readonly [string, string])[],
  values: RequestValues,
  body: Buffer,
): string {
  const parts = ['curl -i']
  if (method === 'HEAD' && body.length === 0) parts[0] = 'curl --head'
  else if (method !== (body.length === 0 ? 'GET' : 'POST')) parts[0] = `curl -i -X ${shellQuote(method)}`
  // Otherwise curl normalises /./ and /../ and expands braces and brackets.
  if (/\/\.{1,2}(\/|\?|$)/.test(url)) parts.push('--path-as-is')
  if (/[[\]{}]/.test(url)) parts.push('--globoff')
  parts.push(shellQuote(url))
  parts.push(...headers.map(([name, value]) => `-H ${shellQuote(`${name}: ${value}`)}`))
  if (body.length > 0) parts.push(data(values, body))
  return parts.join(' \\\n  ')
}

/** Both forms keep every byte; --data would drop line breaks of a file. */
function data(values: RequestValues, body: Buffer): string {
  const file = values['data-file']
  if (file !== undefined && file !== '-') return `--data-binary ${shellQuote(`@${file}`)}`
  if (body.includes(0)) throw new Error('--data -: a command line cannot hold NUL; use --data-file FILE')
  return `--data-raw ${isUtf8(body) ? shellQuote(body.toString('utf8')) : shellQuoteBytes(body)}`
}

function validity(scheme: string, nowMs: number): string {
  if (scheme === 'v0') return 'v0 has no timestamp: this command works for as long as the secret does'
  const until = new Date(nowMs + DEFAULT_TOLERANCE_MS).toISOString().replace(/\.\d+/, '')
  return `valid for ${DEFAULT_TOLERANCE_MS / 1000} s (the default tolerance), until ${until}; then sign again`
}
