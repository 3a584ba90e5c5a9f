import { headerValues } from '../header-values.ts'
import { WireBody } from '../request-state.ts'
import { bodyMistakes } from './body-mistakes.ts'
import { DEFAULT_CLIENT } from './client-registry.ts'
import { contentDigestFault } from './content-digest.ts'
import { type LooseMac, type LooseSignature, readLoosely } from './loose-signature.ts'
import type { MessageSignature } from './message-signature.ts'
import {
  bodyHashMistakes,
  clientMistakes,
  type Draft,
  hashMistakes,
  keyMistakes,
  layoutMistakes,
  lineMistakes,
  type Mistake,
  methodMistakes,
  prefixMistakes,
  targetLineMistakes,
  targetVariants,
  timeMistakes,
  V1_FIELDS,
  wholeBodyMistakes,
} from './mistakes.ts'
import type { SignedRequest } from './schemes.ts'
import { componentValue, signatureBase } from './signature-base.ts'
import { readSignature } from './signature-header.ts'

/** One reading of what somebody tried to sign, and the mistakes that may be in it. */
export interface Attempt {
  draft: Omit<Draft, 'secret'>
  macs: readonly LooseMac[]
  mistakes: readonly Mistake[]
  /** What is wrong with the headers themselves, whatever was signed. */
  form: readonly string[]
  /** How many mistakes at once are worth trying. */
  maxMistakes: 0 | 2
}

export interface AttemptOptions {
  /** Unix seconds: where to look for a time that was signed and not sent. */
  clock: number
  /** Whom the partner takes itself for, if that is not whom the request names. */
  client: string | undefined
}

/** A signature over a time that was not sent is found if it was made within these seconds. */
const TIME_SEARCH_S = 300
const FORM = 'X-Signature must be exactly t=<Unix seconds>,v1=<64 hex digits>'

export function attemptOf(request: SignedRequest, options: AttemptOptions): Attempt[] {
  const signature = readSignature(request.rawHeaders)
  if (typeof signature === 'object' && 'covered' in signature) return messageAttempt(request, signature)
  const loose = readLoosely(headerValues(request.rawHeaders, 'x-signature'))
  if (loose === undefined) return []
  const form = signature === 'malformed' ? [FORM] : []
  const first =
    loose.scheme === 'v0' ? v0Attempt(request, loose) : v1Attempt(request, loose, loose.time ?? '', options)
  const attempts = [{ ...first, form }]
  if (loose.time !== undefined) return attempts
  for (let t = options.clock - TIME_SEARCH_S; t <= options.clock + TIME_SEARCH_S; t++) {
    const says = `a v1 signature was sent without its time: send t=${t},v1=<the same digits>`
    attempts.push({ ...v1Attempt(request, loose, String(t), options, []), form: [says], maxMistakes: 0 })
  }
  return attempts
}

function v0Attempt(request: SignedRequest, { macs }: LooseSignature): Attempt {
  const { bytes } = request.body
  const mistakes = [...hashMistakes(), ...wholeBodyMistakes(bodyMistakes(bytes))]
  return { draft: draftOf([bytes.toString('latin1')]), macs, mistakes, form: [], maxMistakes: 2 }
}

function v1Attempt(
  request: SignedRequest,
  { macs }: LooseSignature,
  time: string,
  options: AttemptOptions,
  mistakes = v1Mistakes(request, options),
): Attempt {
  const { method, target, rawHeaders, body } = request
  const sent = headerValues(rawHeaders, 'x-client-id')
  const fields: Record<(typeof V1_FIELDS)[number], string> = {
    prefix: 'v1',
    time,
    method,
    target,
    client: sent.length === 0 ? DEFAULT_CLIENT : sent.join(','),
    key: headerValues(rawHeaders, 'idempotency-key').join(', '),
    hash: body.sha256,
  }
  const draft = draftOf(V1_FIELDS.map((field) => fields[field]))
  return { draft, macs, mistakes, form: [], maxMistakes: 2 }
}

function v1Mistakes({ target, rawHeaders, body }: SignedRequest, { client }: AttemptOptions): Mistake[] {
  const variants = bodyMistakes(body.bytes)
  const [host] = headerValues(rawHeaders, 'host')
  const [sent] = headerValues(rawHeaders, 'x-client-id')
  const key = headerValues(rawHeaders, 'idempotency-key').join(', ')
  const same = (value: string) => value
  return [
    ...bodyHashMistakes(body.bytes, variants),
    ...targetLineMistakes(target, host),
    ...methodMistakes(V1_FIELDS.indexOf('method')),
    ...keyMistakes(V1_FIELDS.indexOf('key'), key, same),
    ...clientMistakes(sent !== undefined, client === (sent ?? DEFAULT_CLIENT) ? undefined : client),
    ...timeMistakes(),
    ...prefixMistakes(),
    ...layoutMistakes(),
    ...hashMistakes(),
    ...[{ says: '', body: body.bytes }, ...variants].map(({ says, body: signed }) => ({
      axis: 'scheme',
      says: `a v0 HMAC, over the body alone, was sent as v1${says === '' ? '' : `; ${says}`}`,
      change: (draft: Draft) => ({ ...draft, ...draftOf([signed.toString('latin1')]) }),
    })),
  ]
}

function messageAttempt(request: SignedRequest, signature: MessageSignature): Attempt[] {
  const base = signatureBase(request, signature)
  if (base === undefined) return []
  const { target, rawHeaders } = request
  const names = [...signature.covered, '@signature-params']
  const [host] = headerValues(rawHeaders, 'host')
  const of = (name: string, make: (at: number, value: string) => Mistake[]) => {
    const at = names.indexOf(name)
    return at === -1 ? [] : make(at, componentValue(request, name) ?? '')
  }
  const named = (name: string) => (value: string) => `"${name}": ${value}`
  const mistakes = [
    ...of('@method', (at) => methodMistakes(at, named('@method'))),
    ...of('@path', (at, path) =>
      lineMistakes('@path', at, [
        ['the query was signed as a part of "@path": it belongs to "@query"', target],
        ...targetVariants(path, host),
      ]),
    ),
    ...of('@query', (at, query) =>
      lineMistakes('@query', at, [
        ['"@query" was signed without its question mark', query.slice(1)],
        ['"@query" was signed empty', '?'],
        [
          '"@query" was signed with sorted parameters: sign it as sent',
          `?${query.slice(1).split('&').sort().join('&')}`,
        ],
      ]),
    ),
    ...of('idempotency-key', (at, key) => keyMistakes(at, key, named('idempotency-key'))),
    ...of('@signature-params', (at) =>
      lineMistakes('@signature-params', at, [
        ['the line of "@signature-params" was missing from the signature base', undefined],
        ...labelled(rawHeaders),
      ]),
    ),
    {
      axis: 'names',
      says: 'the names of the components were written without quotes in the signature base',
      change: (draft: Draft) => ({
        ...draft,
        fields: draft.fields.map((line) => line?.replace(/^"([^"]+)": /, '$1: ')),
      }),
    },
    ...layoutMistakes(),
    ...hashMistakes(),
  ]
  const macs = [{ mac: signature.mac }]
  return [{ draft: draftOf(base.split('\n')), macs, mistakes, form: digestMistake(request), maxMistakes: 2 }]
}

function labelled(rawHeaders: readonly string[]): [string, string][] {
  const [input = ''] = headerValues(rawHeaders, 'signature-input')
  return [
    ['the label was signed with "@signature-params": leave out what stands in front of the list', input],
  ]
}

/** Which other body the digest belongs to, where it is not that of the body that was received. */
function digestMistake({ rawHeaders, body }: SignedRequest): string[] {
  const lines = headerValues(rawHeaders, 'content-digest')
  const fits = (bytes: Buffer) => contentDigestFault(lines, new WireBody(bytes).sha256) === undefined
  if (lines.length === 0 || fits(body.bytes)) return []
  const found = bodyMistakes(body.bytes).find((mistake) => fits(mistake.body))
  return found === undefined ? [] : [`Content-Digest: ${found.says}`]
}

function draftOf(fields: readonly string[]): Omit<Draft, 'secret'> {
  return { fields, glue: '\n', end: '', hash: 'sha256' }
}
