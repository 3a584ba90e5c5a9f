/*
 * node floor.js sync|batched BYTES: the least that Koa can do with an order. It reads the body and responds with a constant.
 * `batched` responds after setImmediate(), so that what came in one turn of the event loop also goes out together.
 */
import Koa from 'koa'

const [how = 'sync', bytes = '0'] = process.argv.slice(2)
const RESPONSE = JSON.stringify({ order: 'x'.repeat(Math.max(Number(bytes) - '{"order":""}'.length, 0)) })

const app = new Koa()
app.use(async (ctx) => {
  await bodyOf(ctx.req)
  if (how === 'batched') await new Promise((resolve) => setImmediate(resolve))
  ctx.status = 201
  ctx.type = 'application/json'
  ctx.body = RESPONSE
})
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(
    `the floor is ready on http://127.0.0.1:${typeof address === 'object' ? address?.port : address} `,
  )
})
process.once('SIGTERM', () => process.exit(0))

/**
 * @param {import('node:http').IncomingMessage} req
 * @returns {Promise<Buffer>}
 */
function bodyOf(req) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.once('end', () => resolve(Buffer.concat(chunks)))
    req.once('error', reject)
  })
}
