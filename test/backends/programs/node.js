import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { isFirst, run, STILL_MS, STREAMED, stream } from './acts.js'

const server = createServer(async (req, res) => {
  const { headers } = req
  const name = req.url.split('?')[0].split('/').pop()
  // A request that is cut within its body has no effect.
  const body = await buffer(req).catch(() => undefined)
  if (body === undefined) return
  const { length } = body
  if (name === 'flaky' && isFirst(headers)) return res.writeHead(503).end('not now')
  const text = run(headers, length)
  if (STREAMED.has(name)) return void stream(name, res, headers, text)
  switch (name) {
    case 'empty':
      return res.writeHead(200, { 'Content-Length': 0 }).end()
    case 'no-content':
      return res.writeHead(204).end()
    case 'not-modified':
      return res.writeHead(304, { ETag: '"1"' }).end()
    case 'wait':
      return setTimeout(() => res.end(text), STILL_MS)
    case 'interim':
      res.writeEarlyHints({ link: '</style.css>; rel=preload' })
  }
  res.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': text.length }).end(text)
})
server.listen(Number(process.env.PORT), '127.0.0.1')
