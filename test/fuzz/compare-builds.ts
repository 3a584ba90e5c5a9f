import { setTimeout as sleep } from 'node:timers/promises'
import type { RawResponse } from '../support/raw-http.ts'
import type { FuzzCase } from './fuzz-case.ts'
import { namesOf, onlyIn, readLeftBehind } from './left-behind.ts'
import { makeCase } from './make-case.ts'
import { Random } from './random.ts'
import { sameText } from './same-text.ts'
import { type Sent, sendCase } from './send-case.ts'
import type { World } from './world.ts'

export interface CompareOptions {
  seed: string
  durationMs: number
  /** It ends earlier after so many. */
  maxRequests?: number
  onProgress?: (text: string) => void
}

/** Where two builds differ, and the first request that showed it. */
export interface Difference {
  what: string
  count: number
  here: string
  other: string
  /** undefined: it showed in what all requests left behind. */
  sent?: Buffer
}

export interface CompareReport {
  requests: number
  seconds: number
  differences: Difference[]
}

/** How often a case is sent once more, as a retry. */
const SENT_AGAIN = 0.4
/** For the last log lines, and what is done behind the responses. */
const QUIET_MS = 2_000
const PROGRESS_EVERY_MS = 5_000
/** Refusals within a second share an entry of the audit trail: how many entries there are is chance. */
const SHARED_ENTRIES = '/audit-logs'
/** Of a kind of what was left behind. */
const MAX_SHOWN_LINES = 20

/** Another value each time, or said by the body already. What is left of a limit is compared by the metrics. */
const VARYING_HEADERS = new Set(['date', 'etag', 'content-length', 'x-ratelimit-remaining'])

/**
 * Sends the same bytes to both, one case after the other, so that both are in the same state at each of them, and
 * compares the responses; at the end also what both have left in their logs, metrics and stores.
 */
export async function compareBuilds(
  here: World,
  other: World,
  options: CompareOptions,
): Promise<CompareReport> {
  const { seed, durationMs, maxRequests = Number.POSITIVE_INFINITY, onProgress = () => {} } = options
  const startedMs = performance.now()
  const elapsedMs = () => performance.now() - startedMs
  const found = new Map<string, Difference>()
  let requests = 0
  const timer = setInterval(() => {
    const seconds = Math.round(elapsedMs() / 1_000)
    onProgress(
      `${seconds} of ${Math.round(durationMs / 1_000)} s | ${requests} requests, ${found.size} differences`,
    )
  }, PROGRESS_EVERY_MS)
  const random = new Random(seed)
  for (let n = 0; elapsedMs() < durationMs && requests < maxRequests; n++) {
    const one = makeCase(here.grammar, `${seed}:${n}`, Math.floor(Date.now() / 1_000))
    for (let times = random.chance(SENT_AGAIN) ? 2 : 1; times > 0; times--) {
      const [mine, theirs] = await Promise.all([sendCase(here.port, one), sendCase(other.port, one)])
      requests++
      for (const { what, ...rest } of differencesOf(mine, theirs, one)) {
        const known = found.get(what)
        if (known !== undefined) known.count++
        else found.set(what, { what, count: 1, ...rest, sent: one.bytes })
      }
    }
  }
  clearInterval(timer)
  await sleep(QUIET_MS)
  const left = await differencesLeft(here, other)
  return { requests, seconds: elapsedMs() / 1_000, differences: [...found.values(), ...left] }
}

type Found = Pick<Difference, 'what' | 'here' | 'other'>

function differencesOf(mine: Sent, theirs: Sent, { bytes }: FuzzCase): Found[] {
  if (mine.responses.length !== theirs.responses.length) {
    const [here, other] = [mine, theirs].map(({ responses }) =>
      responses.map(({ status }) => status).join(', '),
    )
    return [{ what: 'number of responses', here: here ?? '', other: other ?? '' }]
  }
  const found: Found[] = []
  for (const [n, response] of mine.responses.entries()) {
    const that = theirs.responses[n]
    if (that === undefined) continue
    const of = `of ${response.status}`
    if (response.status !== that.status) {
      const what = `status ${response.status} for ${that.status}`
      found.push({ what, here: response.body, other: that.body })
      continue
    }
    const [body, otherBody] = [sameText(response.body), sameText(that.body)]
    if (body !== otherBody && !isPage(response) && !bytes.includes(SHARED_ENTRIES))
      found.push({ what: `body ${of} ${codeOf(body)}`, here: body, other: otherBody })
    const [headers, otherHeaders] = [headerLines(response.headers), headerLines(that.headers)]
    for (const name of new Set([...headers.keys(), ...otherHeaders.keys()])) {
      const [line, otherLine] = [headers.get(name) ?? 'none', otherHeaders.get(name) ?? 'none']
      if (line !== otherLine) found.push({ what: `${name} ${of}`, here: line, other: otherLine })
    }
  }
  return found
}

/** Its text changes with each version. */
function isPage({ header }: RawResponse): boolean {
  return /html|javascript|css|svg/.test(header('content-type'))
}

/** The code of a problem document, so that each error is a difference of its own; '' for any other body. */
function codeOf(body: string): string {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? ''
}

/** By name in lowercase, with all values in order. */
function headerLines(headers: readonly [string, string][]): Map<string, string> {
  const lines = new Map<string, string>()
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    if (VARYING_HEADERS.has(key)) continue
    lines.set(key, `${lines.has(key) ? `${lines.get(key)}, ` : ''}${plain(key, value)}`)
  }
  return lines
}

function plain(name: string, value: string): string {
  if (name === 'ratelimit') return value.replaceAll(/([rt])=\d+/g, '$1=<number>')
  return sameText(value)
}

async function differencesLeft(here: World, other: World): Promise<Difference[]> {
  const [mine, theirs] = await Promise.all([readLeftBehind(here.places), readLeftBehind(other.places)])
  const found: Difference[] = []
  for (const what of new Set([...mine.keys(), ...theirs.keys()])) {
    const [those, others] = [mine.get(what) ?? [], theirs.get(what) ?? []]
    if (those.length > 0 && others.length > 0) {
      const [names, otherNames] = [namesOf(those), namesOf(others)]
      const more = [...names].filter((name) => !otherNames.has(name))
      const less = [...otherNames].filter((name) => !names.has(name))
      if (more.length + less.length > 0)
        found.push({ what: `members of ${what}`, count: 1, here: more.join(', '), other: less.join(', ') })
    }
    const [onlyHere, onlyThere] = [onlyIn(those, others), onlyIn(others, those)]
    const count = Math.max(onlyHere.length, onlyThere.length)
    if (count > 0) found.push({ what, count, here: shownLines(onlyHere), other: shownLines(onlyThere) })
  }
  return found
}

function shownLines(lines: readonly string[]): string {
  return lines
    .slice(0, MAX_SHOWN_LINES)
    .map((line) => `\n      ${line}`)
    .join('')
}
