import { createReadStream, readFileSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type CachedResponse, cachedResponse, etagOf, isFresh, sendCached } from '../http/cached-response.ts'
import { checkLists } from '../http/guard.ts'
import { OWN_AND_DATA, setPageHeaders } from '../http/page-headers.ts'

const HTML = 'text/html; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'

/** The files of our own, in memory: together a few kilobytes. */
const OWN: Readonly<Record<string, string>> = {
  'docs.js': SCRIPT,
  'watch-loading.js': SCRIPT,
  'page.css': STYLE,
  'docs.css': STYLE,
  'icon.svg': 'image/svg+xml',
}
/** Swagger UI: megabytes that stay on the disk, compressed. The build puts them there. */
const VENDORED: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': SCRIPT,
  'swagger-ui.css': STYLE,
}

export interface DocsOptions {
  /** What the page says about who may sign here, e.g. with the demo secret; plain text. */
  hint: string
}

/** `GET /docs`: the page to read and try the API on. */
export function docsPage({ hint }: DocsOptions): Middleware {
  const html = readFileSync(new URL('./browser/docs.html', import.meta.url), 'utf8')
  const page = cachedResponse(
    HTML,
    html.replace('{{hint}}', () => hint),
  )
  return async function docsPage(ctx) {
    setPageHeaders(ctx, OWN_AND_DATA)
    sendCached(ctx, page)
  }
}

/** `GET /docs/:file`: what the pages are made of, a fixed list. `signer` is the module that the page signs with. */
export function docsFile({ signer }: { signer: URL }): Middleware {
  const read = (type: string, file: URL) => cachedResponse(type, readFileSync(file, 'utf8'))
  const own = new Map<string, CachedResponse>([['signer.js', read(SCRIPT, signer)]])
  for (const [name, type] of Object.entries(OWN)) {
    own.set(name, read(type, new URL(`./browser/${name}`, import.meta.url)))
  }
  const vendored = new Map(
    Object.entries(VENDORED).map(([name, type]) => {
      const file = new URL(`./vendor/${name}.gz`, import.meta.url)
      return [name, { file, type, etag: etagOf(readFileSync(file)) }]
    }),
  )
  return async function docsFile(ctx) {
    const name = ctx.path.slice(ctx.path.lastIndexOf('/') + 1)
    const ours = own.get(name)
    const theirs = vendored.get(name)
    if (ours === undefined && theirs === undefined)
      throw new ServiceError('not_found', 'There is nothing at this path.')
    setPageHeaders(ctx, OWN_AND_DATA)
    if (ours !== undefined) sendCached(ctx, ours)
    if (theirs !== undefined) sendCompressed(ctx, theirs)
  }
}

/** From the disk, as it lies there for every browser, unpacked for who cannot. */
function sendCompressed(
  ctx: MiddlewareContext,
  { file, type, etag }: { file: URL; type: string; etag: string },
) {
  checkLists(ctx.req)
  ctx.vary('Accept-Encoding')
  const packed = ctx.acceptsEncodings('gzip', 'identity') === 'gzip'
  // Two forms of one file: not the same bytes, so not the same tag.
  if (isFresh(ctx, packed ? etag : etag.replace(/"$/, '-plain"'))) return
  ctx.set('Content-Type', type)
  if (packed) ctx.set('Content-Encoding', 'gzip')
  if (ctx.method === 'HEAD') return
  const stream = createReadStream(file)
  ctx.body = packed ? stream : stream.pipe(createGunzip())
}
