import { headerValues, KEY_HEADERS } from '../core/header-values.ts'
import { WireBody } from '../core/request-state.ts'
import { bodyMistakes } from './body-mistakes.ts'
import { contentDigestFault } from './content-digest.ts'
import type { MessageSignature } from './message-signature.ts'
import { proxyHeaders } from './misplaced-signature.ts'
import {
  type Attempt,
  type Draft,
  draftOf,
  keyMistakes,
  layoutMistakes,
  lineMistakes,
  type Mistake,
  methodMistakes,
} from './mistakes.ts'
import { encodingMistakes, macMistakes } from './recipe-mistakes.ts'
import type { SignedRequest } from './schemes.ts'
import { componentValue, signatureBase } from './signature-base.ts'
import { rareTargets, sortedQuery, targetVariants } from './target-mistakes.ts'

/** What a client may have signed in an RFC 9421 signature; empty if the signature base cannot be computed. */
export function messageAttempt(
  request: SignedRequest,
  signature: MessageSignature,
  guess: boolean,
): Attempt[] {
  const base = signatureBase(request, signature)
  if (base === undefined) return []
  const { target, rawHeaders, body } = request
  const names = [...signature.covered, '@signature-params']
  const proxied = proxyHeaders(rawHeaders)
  const of = (name: string, make: (at: number, value: string) => Mistake[]) => {
    const at = names.indexOf(name)
    return at === -1 ? [] : make(at, componentValue(request, name) ?? '')
  }
  const named = (name: string) => (value: string) => `"${name}": ${value}`
  const mistakes = [
    ...of('@method', (at) => methodMistakes(at, named('@method'))),
    ...of('@path', (at, path) =>
      lineMistakes('@path', at, [
        ['the query was signed as part of "@path": it belongs to "@query"', target],
        ...targetVariants(path, proxied),
        ...rareTargets(path, proxied),
      ]),
    ),
    ...of('@query', (at, query) =>
      lineMistakes('@query', at, [
        ['"@query" was signed without its question mark: start its value with ?', query.slice(1)],
        ['"@query" was signed empty: sign the query as sent, from its question mark', '?'],
        ['"@query" was signed with sorted parameters: sign it as sent', `?${sortedQuery(query)}`],
      ]),
    ),
    ...of('@authority', (at, authority) =>
      lineMistakes('@authority', at, authorities(authority, proxied.hosts)),
    ),
    ...KEY_HEADERS.flatMap((name) => of(name, (at, key) => keyMistakes(at, key, named(name)))),
    ...of('content-digest', (at) =>
      lineMistakes('content-digest', at, [
        [
          'the line of "content-digest" had the hex digits of the hash: sign the header as sent',
          `sha-256=:${body.sha256}:`,
        ],
      ]),
    ),
    ...of('@signature-params', (at, _) => paramsMistakes(at, signature, rawHeaders)),
    ...wholeBaseMistakes(),
    ...layoutMistakes(),
    ...encodingMistakes(),
    ...macMistakes(guess),
  ]
  const macs = [{ matches: (mac: Buffer) => mac.equals(signature.mac) }]
  return [{ draft: draftOf(base.split('\n')), macs, mistakes, form: digestMistake(request), maxMistakes: 2 }]
}

function authorities(authority: string, hosts: readonly string[]): [string, string][] {
  const hint = (host: string) =>
    `"@authority" was signed as ${host} but arrived as ${authority}: a proxy changed Host. Leave "@authority" out, or let the proxy keep Host`
  const bare = authority.replace(/:\d+$/, '')
  const ports = ['80', '443', '8080'].map((port) => `${bare}:${port}`)
  const variants = [...hosts.map((host) => host.toLowerCase()), bare, ...ports]
  return variants.filter((host) => host !== authority).map((host) => [hint(host), host])
}

function paramsMistakes(at: number, { params }: MessageSignature, rawHeaders: readonly string[]): Mistake[] {
  const [input = ''] = headerValues(rawHeaders, 'signature-input')
  return lineMistakes('@signature-params', at, [
    ['the line of "@signature-params" was missing from the signature base: end with it', undefined],
    ['the label was signed with "@signature-params": leave out the text before the list', input],
    [
      'the line of "@signature-params" had a space after each semicolon: write none',
      params.replaceAll(';', '; '),
    ],
    [
      'the list of components was signed without its parameters: sign all of Signature-Input after the label',
      params.slice(0, params.indexOf(')') + 1),
    ],
  ])
}

function wholeBaseMistakes(): Mistake[] {
  const whole = (hint: string, lines: (fields: Draft['fields']) => Draft['fields']): Mistake => ({
    axis: 'names',
    hint,
    change: (draft) => ({ ...draft, fields: lines(draft.fields) }),
  })
  return [
    whole(
      'the names of the components were written without quotes in the signature base: write "name": value',
      (lines) => lines.map((line) => line?.replace(/^"([^"]+)": /, '$1: ')),
    ),
    whole('only the values were signed: each line is "name": value', (lines) =>
      lines.map((line) => line?.replace(/^"[^"]+": /, '')),
    ),
    whole('there was no space after the colons of the signature base: write "name": value', (lines) =>
      lines.map((line) => line?.replace(/^("[^"]+"): /, '$1:')),
    ),
    whole('the lines of the signature base were sorted: keep the order of Signature-Input', (lines) => [
      ...lines.slice(0, -1).toSorted(),
      ...lines.slice(-1),
    ]),
  ]
}

/** Which changed body `Content-Digest` belongs to, if it does not match the received body. */
function digestMistake({ rawHeaders, body }: SignedRequest): string[] {
  const lines = headerValues(rawHeaders, 'content-digest')
  const fits = (bytes: Buffer) => contentDigestFault(lines, new WireBody(bytes).sha256) === undefined
  if (lines.length === 0 || fits(body.bytes)) return []
  if (lines.join() === `sha-256=:${Buffer.from(body.sha256).toString('base64')}:`)
    return ['Content-Digest: the hex digits of the hash were base64-encoded: encode its 32 bytes']
  const found = bodyMistakes(body.bytes).find((mistake) => fits(mistake.body))
  return found === undefined ? [] : [`Content-Digest: ${found.hint}`]
}
