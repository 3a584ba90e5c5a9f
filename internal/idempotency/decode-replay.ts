import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib'
import type { MiddlewareContext } from '../core/request-state.ts'

type Decode = (bytes: Buffer, options: ZlibOptions) => Promise<Buffer>

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', promisify<Buffer, ZlibOptions, Buffer>(gunzip)],
  ['x-gzip', promisify<Buffer, ZlibOptions, Buffer>(gunzip)],
  ['deflate', promisify<Buffer, ZlibOptions, Buffer>(inflate)],
  ['br', promisify<Buffer, ZlibOptions, Buffer>(brotliDecompress)],
])

/** As much as MAX_RESPONSE_BYTES may be at most: a larger one stays as it is. */
const MAX_DECODED_BYTES = 67_108_864

/** What describes the coded bytes, and not those that go out (RFC 9110, 8.8.3.3; RFC 9530). */
const OF_THE_CODED = [
  'Content-Encoding',
  'Content-Length',
  'Content-MD5',
  'Digest',
  'Content-Digest',
  'Repr-Digest',
]

/**
 * Takes the content coding off a replayed response that the retry does not accept: it was chosen by the Accept-Encoding
 * of the first request (RFC 9110, 12.5.3). Without Accept-Encoding every coding counts as acceptable there; clients that
 * leave it out are those that cannot decode, and no coding is right for all. A coding that is not known here stays.
 */
export async function decodeReplay(ctx: MiddlewareContext): Promise<void> {
  const codings = listOf(headerOf(ctx, 'Content-Encoding'))
  if (codings.length === 0 || codings.every((one) => accepts(ctx.req.headers['accept-encoding'], one))) return
  const decoded = await decode(bodyOf(ctx), codings)
  if (decoded === undefined) return
  for (const name of OF_THE_CODED) ctx.remove(name)
  const etag = headerOf(ctx, 'ETag')
  // A strong one names the coded bytes.
  if (etag.startsWith('"')) ctx.set('ETag', `W/${etag}`)
  ctx.vary('Accept-Encoding')
  const type = headerOf(ctx, 'Content-Type')
  ctx.body = decoded
  // Koa gives a body without a type one.
  if (type === '') ctx.remove('Content-Type')
}

function headerOf(ctx: MiddlewareContext, name: string): string {
  return String(ctx.res.getHeader(name) ?? '')
}

function bodyOf({ body }: MiddlewareContext): Buffer | undefined {
  if (typeof body === 'string') return Buffer.from(body, 'latin1')
  return body instanceof Buffer ? body : undefined
}

/** undefined: it cannot be. The last coding of the list was applied last. */
async function decode(coded: Buffer | undefined, codings: readonly string[]): Promise<Buffer | undefined> {
  let bytes = coded
  try {
    for (const coding of codings.toReversed()) {
      const decoder = decoders.get(coding)
      if (decoder === undefined || bytes === undefined) return undefined
      bytes = await decoder(bytes, { maxOutputLength: MAX_DECODED_BYTES })
    }
    return bytes
  } catch {
    return undefined
  }
}

/** Whether Accept-Encoding names a coding, or all, and not with a weight of 0. */
function accepts(accepted: string | undefined, coding: string): boolean {
  let all = false
  for (const item of listOf(accepted ?? '')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim())
    const isRefused = parameters.some((one) => /^q=0(?:\.0{0,3})?$/.test(one))
    if (name === coding || `x-${name}` === coding || name === `x-${coding}`) return !isRefused
    if (name === '*') all = !isRefused
  }
  return all
}

function listOf(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '' && item !== 'identity')
}
