import { alone, lineIndex, type Mistake, replace } from './mistakes.ts'

/** What proxies report about the request before they changed it. */
export interface ProxyHeaders {
  /** Values of Host, X-Forwarded-Host and the like. */
  hosts: readonly string[]
  /** Values of X-Forwarded-Prefix and the like: the prefix that a proxy removed from the path. */
  prefixes: readonly string[]
  /** Values of X-Original-URI and the like: the target before a proxy changed it. */
  targets: readonly string[]
}

/** Path prefixes that proxies often remove. */
const PREFIXES = [
  '/api',
  '/v1',
  '/v2',
  '/api/v1',
  '/shop',
  '/oncekey',
  '/pay',
  '/payment',
  '/payments',
  '/order',
  '/service',
  '/backend',
  '/gateway',
  '/proxy',
  '/public',
  '/partner',
  '/partners',
  '/test',
  '/dev',
  '/staging',
  '/sandbox',
  '/prod',
]

/** Mistakes in the target line of v1. */
export function targetLineMistakes(target: string, proxied: ProxyHeaders): Mistake[] {
  const line = ([hint, value]: readonly [string, string]) =>
    replace('target', lineIndex('target'), hint, () => value)
  return [...targetVariants(target, proxied).map(line), ...rareTargets(target, proxied).map(line).map(alone)]
}

type Variant = [hint: string, target: string]

/** What clients often sign instead of the request target. */
export function targetVariants(target: string, { hosts }: ProxyHeaders): Variant[] {
  const { path, query } = split(target)
  const variants: Variant[] = [
    ['the query was not signed: sign path and query as sent', path],
    ['the path was signed with a slash at its end: sign it as sent', `${path}/${query}`],
    [
      'the path was signed without the slash at its end: sign it as sent',
      `${path.replace(/\/$/, '')}${query}`,
    ],
    ['the path was signed without its first slash: sign it as sent', target.slice(1)],
    ['the target was signed decoded: sign it as sent, from the built request', decoded(target)],
    ['only a slash was signed as the path: sign path and query as sent', '/'],
    [
      'the target was signed with a ? at its end, which was dropped on the way: do not send an empty query',
      `${target}?`,
    ],
  ]
  if (query.includes('&')) {
    const hint = 'the query was signed with sorted parameters: sign it as sent'
    variants.push([hint, `${path}?${sortedQuery(query)}`])
  }
  // If only the escapes differ, `rareTargets` has a better hint.
  if (target.toLowerCase() !== lowerEscapes(target))
    variants.push(['the path was signed in lower case: sign it as sent', target.toLowerCase()])
  for (const prefix of hosts.flatMap((host) => [`http://${host}`, `https://${host}`, host])) {
    variants.push(
      [
        `the host was signed in front of the path ("${prefix}"): sign only path and query`,
        `${prefix}${target}`,
      ],
      [
        `the host was signed in front of the path ("${prefix}"), and the query was not: sign path and query alone`,
        `${prefix}${path}`,
      ],
    )
  }
  // The base URL contains a part of the path, and the client signs only the rest.
  for (const at of slashesOf(path).filter((slash) => slash > 0)) {
    const beginning = path.slice(0, at)
    variants.push([
      `the start of the path, "${beginning}", was not signed: sign the whole path`,
      target.slice(at),
    ])
  }
  return distinct(target, variants)
}

/** How proxies and HTTP clients change a target after it was signed. */
export function rareTargets(target: string, proxied: ProxyHeaders): Variant[] {
  const { path, query } = split(target)
  const variants: Variant[] = proxied.targets.map((before) => [
    `a proxy changed the target, "${before}" was signed: let the proxy keep the target unchanged`,
    before,
  ])
  for (const prefix of [...proxied.prefixes, ...PREFIXES]) {
    variants.push([
      `"${prefix}" at the start of the path was signed but did not arrive: a proxy removes it. Let the proxy keep the path, set STRIPPED_PREFIX of the service, or sign the path without it`,
      `${prefix}${target}`,
    ])
  }
  const escapes: Variant[] = [
    ['the escapes of the target were signed in lower case (%2f)', lowerEscapes(target)],
    [
      'the escapes of the target were signed in upper case (%2F)',
      target.replace(ESCAPE, (hex) => hex.toUpperCase()),
    ],
    ['spaces were signed as + but sent as %20', target.replaceAll('%20', '+')],
    ['spaces were signed as %20 but sent as +', target.replaceAll('+', '%20')],
    ['slashes in the query were signed as escapes', `${path}${query.replaceAll('/', '%2F')}`],
    ['each % was signed as %25: the target was escaped twice', target.replaceAll('%', '%25')],
    ['the query was signed decoded', `${path}${decoded(query)}`],
    ['the path was signed decoded, the query was not', `${decoded(path)}${query}`],
    ...OPTIONAL_ESCAPES.map(
      ([some, characters]): Variant => [
        `escapes of ${some} were signed but arrived as plain characters: the HTTP client or a proxy decodes them`,
        target.replace(characters, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
      ],
    ),
  ]
  variants.push(
    ...escapes.map(([hint, value]): Variant => [`${hint}: sign it as sent, from the built request`, value]),
  )
  for (const at of slashesOf(path)) {
    const hint =
      'two adjacent slashes were signed but arrived as one: a proxy merges them. Do not build such a path'
    variants.push([hint, `${target.slice(0, at)}/${target.slice(at)}`])
  }
  variants.push(
    [
      'a path with /../ or /./ was sent, but the resolved path was signed: sign the path as sent',
      withoutDots(path) + query,
    ],
    ['a & at the end of the query was signed but did not arrive: do not build it', `${target}&`],
  )
  return distinct(target, variants)
}

const ESCAPE = /%[0-9a-f]{2}/gi
/** Characters that some clients escape and others do not. */
const OPTIONAL_ESCAPES: [string, RegExp][] = [
  ["! ' ( ) *", /[!'()*]/g],
  ['~', /~/g],
  [': and @', /[:@]/g],
  [', and ;', /[,;]/g],
  ['hyphens, dots, _ and ~', /[-._~]/g],
  ['[ and ]', /[[\]]/g],
]

/** Each slash costs a copy of the target, so only the first ones are tried. */
const MAX_SLASHES = 16

function slashesOf(path: string): number[] {
  const found: number[] = []
  for (let at = path.indexOf('/'); at !== -1 && found.length < MAX_SLASHES; at = path.indexOf('/', at + 1)) {
    found.push(at)
  }
  return found
}

function lowerEscapes(target: string): string {
  return target.replace(ESCAPE, (hex) => hex.toLowerCase())
}

function split(target: string): { path: string; query: string } {
  const at = target.indexOf('?')
  return at === -1 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at) }
}

export function sortedQuery(query: string): string {
  return query.slice(1).split('&').sort().join('&')
}

function decoded(target: string): string {
  try {
    return Buffer.from(decodeURIComponent(target), 'utf8').toString('latin1')
  } catch {
    return target
  }
}

function withoutDots(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  return kept.join('/')
}

function distinct(target: string, variants: readonly Variant[]): Variant[] {
  const seen = new Set([target])
  return variants.filter(([, value]) => !seen.has(value) && seen.add(value))
}
