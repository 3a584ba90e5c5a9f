import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import { parsedBody } from '../../internal/http/parsed-body.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { serveApp } from '../support/serve-app.ts'

for (const body of [rawBody, parsedBody]) {
  for (const sent of ['{"a"', '{"a":1}']) {
    test(`${body.name} ends at once if the client of ${sent} disconnected while an earlier middleware waited`, async (t) => {
      const codes: unknown[] = []
      const port = await serveApp(
        t,
        async ({ req }, next) => {
          socket.destroy()
          await once(req.socket, 'close')
          await next().catch((error: unknown) =>
            codes.push(error instanceof ServiceError ? error.code : error),
          )
          done.abort()
        },
        body({ timeoutMs: 500 }),
      )
      const done = new AbortController()
      const ended = once(done.signal, 'abort')
      const socket = connect(port, '127.0.0.1')
      socket.write(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n${sent}`,
      )
      await ended
      assert.deepEqual(codes, ['invalid_request'])
    })
  }
}
