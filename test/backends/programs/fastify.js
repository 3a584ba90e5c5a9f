import fastify from 'fastify'
import { isFirst, run, STILL_MS, STREAMED, stream } from './acts.js'

const app = fastify({ bodyLimit: 200 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
app.all('/:name', async (request, reply) => {
  const { name } = request.params
  if (name === 'flaky' && isFirst(request.headers)) return reply.code(503).send('not now')
  const text = run(request.headers, request.body?.length ?? 0)
  if (STREAMED.has(name)) {
    reply.hijack()
    return await stream(name, reply.raw, request.headers, text)
  }
  if (name === 'empty') return reply.code(200).send()
  if (name === 'no-content') return reply.code(204).send()
  if (name === 'not-modified') return reply.code(304).header('ETag', '"1"').send()
  if (name === 'wait') await new Promise((resolve) => setTimeout(resolve, STILL_MS))
  if (name === 'interim') reply.raw.writeEarlyHints({ link: '</style.css>; rel=preload' })
  return reply.code(201).type('application/json').send(text)
})
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
