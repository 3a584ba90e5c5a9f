import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'

/** Holds the response to what every page of ours says to a browser: nothing inline, no other host, no frame. */
export function assertPageHeaders(headers: IncomingHttpHeaders): void {
  const policy = String(headers['content-security-policy'])
  const directives = new Map(
    policy.split('; ').map((one): [string, string] => {
      const [name = '', ...sources] = one.split(' ')
      return [name, sources.join(' ')]
    }),
  )
  assert.equal(directives.get('default-src'), "'none'")
  for (const name of ['base-uri', 'form-action', 'frame-ancestors'])
    assert.equal(directives.get(name), "'none'")
  for (const name of ['script-src', 'style-src', 'connect-src']) assert.equal(directives.get(name), "'self'")
  assert.equal(directives.get('img-src'), "'self' data:")
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['referrer-policy'], 'no-referrer')
}
