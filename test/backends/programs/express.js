import express from 'express'
import { isFirst, run, STILL_MS, STREAMED, stream } from './acts.js'

const app = express()
app.use(express.raw({ type: () => true, limit: '200mb' }))
app.all('/:name', async (req, res) => {
  const { name } = req.params
  if (name === 'flaky' && isFirst(req.headers)) return res.status(503).send('not now')
  const text = run(req.headers, req.body?.length ?? 0)
  if (STREAMED.has(name)) return await stream(name, res, req.headers, text)
  if (name === 'empty') return res.status(200).end()
  if (name === 'no-content') return res.sendStatus(204)
  if (name === 'not-modified') return res.status(304).set('ETag', '"1"').end()
  if (name === 'wait') return setTimeout(() => res.send(text), STILL_MS)
  if (name === 'interim') res.writeEarlyHints({ link: '</style.css>; rel=preload' })
  res.status(201).type('json').send(text)
})
app.listen(Number(process.env.PORT), '127.0.0.1')
