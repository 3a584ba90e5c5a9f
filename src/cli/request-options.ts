import { createSecretKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DEFAULT_CLIENT } from '../../internal/signature/client-registry.ts'
import { secretFromEnv } from '../config/secret-from-env.ts'
import { checkClient } from './option-values.ts'

/** The options of both `sign` and `verify`, for parseArgs. */
export const REQUEST_OPTIONS = {
  method: { type: 'string', short: 'X' },
  data: { type: 'string', short: 'd' },
  'data-file': { type: 'string' },
  key: { type: 'string' },
  client: { type: 'string' },
  secret: { type: 'string' },
  'secret-env': { type: 'string' },
  'secret-file': { type: 'string' },
  at: { type: 'string' },
} as const

export const REQUEST_HELP = `  -X, --method METHOD  default POST with a body, else GET
  -d, --data TEXT      the body, byte for byte; - reads it from standard input
  --data-file FILE     the body, byte for byte; - reads it from standard input
  --key KEY            the value of Idempotency-Key
  --client ID          the client id (default)
  --at SECONDS         Unix time to take for now`

export const SECRET_HELP = `The secret, in the order of preference (on a command line others can see it):
  --secret-file FILE   one line break at its end does not count
  --secret-env NAME    an environment variable
  ONCEKEY_SECRET       the environment variable that is read without any of these
  --secret TEXT        for secrets that are none, such as the one of the demo`

export type RequestValues = { [Name in keyof typeof REQUEST_OPTIONS]?: string | undefined }

/** The request of the URL and the options. `instead`: what the error names besides the URL. */
export function readRequest(values: RequestValues, [url, ...more]: readonly string[], instead = '') {
  if (url === undefined || more.length > 0) throw new Error(`give exactly one URL${instead}; see --help`)
  const parts = splitUrl(url)
  const body = readBody(values)
  return { url, ...parts, body, method: readMethod(values, body) }
}

function readBody(values: RequestValues): Buffer {
  const { data, 'data-file': file } = values
  if (data !== undefined && file !== undefined) throw new Error('give --data or --data-file, not both')
  if (data === '-' || file === '-') return readInput()
  if (file !== undefined) return readBytes('--data-file', file)
  return Buffer.from(data ?? '', 'utf8')
}

export function readInput(): Buffer {
  return readFileSync(0)
}

export function readBytes(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error
    throw new Error(
      `${option} ${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`}`,
    )
  }
}

/** The HMAC key. */
export function readSecret(values: RequestValues): KeyObject {
  const { secret, 'secret-env': name, 'secret-file': file } = values
  if ([secret, name, file].filter((value) => value !== undefined).length > 1)
    throw new Error('give one of --secret, --secret-env and --secret-file')
  const found =
    file === undefined
      ? Buffer.from(secret ?? secretFromEnv(name ?? 'ONCEKEY_SECRET') ?? '', 'utf8')
      : withoutLineBreak(readBytes('--secret-file', file))
  if (found.length > 0) return createSecretKey(found)
  if (file !== undefined) throw new Error(`--secret-file ${file}: the file is empty`)
  if (secret !== undefined) throw new Error('--secret: it must not be empty')
  if (name !== undefined) throw new Error(`--secret-env ${name}: this environment variable is not set`)
  throw new Error('there is no secret: set ONCEKEY_SECRET, or give --secret-file or --secret-env')
}

function withoutLineBreak(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n$/, ''), 'latin1')
}

function readMethod(values: RequestValues, body: Buffer): string {
  const method = values.method ?? (body.length > 0 ? 'POST' : 'GET')
  if (!/^[A-Za-z!#$%&'*+.^_`|~0-9-]+$/.test(method))
    throw new Error(`--method ${method}: this is no HTTP method`)
  return method
}

export function readClient(values: RequestValues): string {
  return checkClient('--client ', values.client ?? DEFAULT_CLIENT)
}

/** Milliseconds. */
export function readNow(values: RequestValues, now: () => number): number {
  if (values.at === undefined) return now()
  if (!/^(0|[1-9][0-9]{0,11})$/.test(values.at)) throw new Error(`--at ${values.at}: it must be Unix seconds`)
  return Number(values.at) * 1000
}

/** Splits a URL or a path without normalising it: what is signed must be what is sent. */
function splitUrl(text: string) {
  const [, origin, host, rest = ''] = /^(https?:\/\/([^/?#\s@]+))?([^\s#]*)(?:#.*)?$/i.exec(text) ?? []
  const target = rest.startsWith('/') ? rest : origin === undefined ? undefined : `/${rest}`
  if (target === undefined || hasControls(text))
    throw new Error(`${text}: it must be http://HOST/PATH, https://HOST/PATH or /PATH, without white space`)
  return { origin, host, target }
}

export function hasControls(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\u007f')
}
