import { headerValues, keyLines } from '../core/header-values.ts'
import { bodyMistakes, draftsOf } from './body-mistakes.ts'
import { DEFAULT_CLIENT } from './client-registry.ts'
import { type LooseSignature, readLoosely } from './loose-signature.ts'
import { messageAttempt } from './message-attempt.ts'
import { misplacedSignature, misplacedTime, proxyHeaders } from './misplaced-signature.ts'
import {
  type Attempt,
  clientMistakes,
  type Draft,
  draftOf,
  keyMistakes,
  layoutMistakes,
  lineIndex,
  lineMistakesOfV1,
  type Mistake,
  methodMistakes,
  timeMistakes,
  V1_FIELDS,
} from './mistakes.ts'
import {
  bodyHashMistakes,
  encodingMistakes,
  macMistakes,
  timedRecipes,
  untimedRecipes,
  v0AsV1,
} from './recipe-mistakes.ts'
import type { SignedRequest } from './schemes.ts'
import { readSignature } from './signature-header.ts'
import { targetLineMistakes } from './target-mistakes.ts'

export interface AttemptOptions {
  /** Unix seconds: times near it are tried if a time was signed but not sent. */
  clock: number
  /** The client that the partner means to be; undefined: the client that the request names. */
  client: string | undefined
  /** Whether to try signatures that a caller without the secret can make. */
  guess: boolean
}

/** A signature over a time that was not sent is found if that time is within this many seconds of the clock. */
const TIME_SEARCH_S = 300
const FORM = 'X-Signature must be exactly t=<Unix seconds>,v1=<64 hex digits>'

export function attemptOf(request: SignedRequest, options: AttemptOptions): Attempt[] {
  const signature = readSignature(request.rawHeaders)
  if (typeof signature === 'object' && 'covered' in signature)
    return messageAttempt(request, signature, options.guess)
  const { values, form } = headerOf(request.rawHeaders)
  const loose = readLoosely(values)
  if (loose === undefined) return []
  if (signature === 'malformed') form.push(loose.form === undefined ? FORM : `${loose.form}. ${FORM}`)
  const first =
    loose.scheme === 'v0' ? v0Attempt(request, loose, options) : v1Attempt(request, loose, options)
  const attempts = [{ ...first, form }]
  if (loose.time !== undefined) return attempts
  const apart = misplacedTime(request.rawHeaders)
  if (apart !== undefined) {
    const hint = `the time was sent in ${apart.name}: send X-Signature: t=${apart.time},v1=<the digits>`
    attempts.push({ ...v1Attempt(request, { ...loose, time: apart.time }, options), form: [...form, hint] })
  }
  const mistakes = [...timedRecipes()]
  for (let t = options.clock - TIME_SEARCH_S; t <= options.clock + TIME_SEARCH_S; t++) {
    const time = String(t)
    const hint = `a signature over the time ${time} was sent without that time: send t=${time},v1=<64 hex digits>`
    const attempt = v1Attempt(request, { ...loose, time }, options, mistakes)
    attempts.push({ ...attempt, form: [...form, hint], maxMistakes: 1 })
  }
  return attempts
}

function headerOf(rawHeaders: readonly string[]): { values: readonly string[]; form: string[] } {
  const own = headerValues(rawHeaders, 'x-signature')
  const other = own.length > 0 ? undefined : misplacedSignature(rawHeaders)
  if (other === undefined) return { values: own, form: [] }
  return { values: other.values, form: [`the signature was sent in ${other.name}: send it in X-Signature`] }
}

function v0Attempt(request: SignedRequest, { macs }: LooseSignature, { guess }: AttemptOptions): Attempt {
  const text = request.body.bytes.toString('latin1')
  const mistakes = [
    ...untimedRecipes('v0'),
    ...draftsOf(bodyMistakes(request.body.bytes)),
    ...macMistakes(guess),
  ]
  // Recipes need the fields of v1; the signature itself is over the body.
  const draft = { ...draftOf(fieldsOf(request, ''), text), recipe: (changed: Draft) => changed.body }
  return { draft, macs, mistakes, form: [], maxMistakes: 2 }
}

function fieldsOf({ method, target, rawHeaders, body }: SignedRequest, time: string): string[] {
  const sent = headerValues(rawHeaders, 'x-client-id')
  const fields: Record<(typeof V1_FIELDS)[number], string> = {
    prefix: 'v1',
    time,
    method,
    target,
    client: sent.length === 0 ? DEFAULT_CLIENT : sent.join(','),
    key: keyLines(rawHeaders).join(', '),
    hash: body.sha256,
  }
  return V1_FIELDS.map((field) => fields[field])
}

function v1Attempt(
  request: SignedRequest,
  { macs, time = '' }: LooseSignature,
  options: AttemptOptions,
  mistakes = v1Mistakes(request, options),
): Attempt {
  const draft = draftOf(fieldsOf(request, time), request.body.bytes.toString('latin1'))
  return { draft, macs, mistakes, form: [], maxMistakes: 2 }
}

function v1Mistakes(
  { target, rawHeaders, body }: SignedRequest,
  { client, guess }: AttemptOptions,
): Mistake[] {
  const [sent] = headerValues(rawHeaders, 'x-client-id')
  const [date] = headerValues(rawHeaders, 'date')
  const same = (value: string) => value
  return [
    ...timeMistakes(date),
    ...methodMistakes(lineIndex('method')),
    ...targetLineMistakes(target, proxyHeaders(rawHeaders)),
    ...clientMistakes(sent !== undefined, client === (sent ?? DEFAULT_CLIENT) ? undefined : client),
    ...keyMistakes(lineIndex('key'), keyLines(rawHeaders).join(', '), same),
    ...lineMistakesOfV1(),
    ...layoutMistakes(),
    v0AsV1(),
    ...timedRecipes(),
    ...untimedRecipes('v1'),
    ...bodyHashMistakes(body.bytes.toString('latin1')),
    ...draftsOf(bodyMistakes(body.bytes)),
    ...encodingMistakes(),
    ...macMistakes(guess),
  ]
}
