import { PROBLEMS } from '../../internal/core/service-error.ts'
import { problem, type RawResponse } from '../support/raw-http.ts'
import type { FuzzCase } from './fuzz-case.ts'
import { CANARY } from './parties.ts'
import type { Sent } from './send-case.ts'

const REQUEST_ID = /^[\w.-]{1,64}$/

/** What is wrong with what came back for a case, whatever the case was; undefined: nothing. */
export function judge(sent: Sent, { bytes, head, whole, unauthorized }: FuzzCase): string | undefined {
  const { responses, fault, hungUp } = sent
  if (fault !== undefined) return fault
  if (responses.length === 0 && whole) return 'a whole request got no response'
  if (responses.length === 0 && !hungUp && bytes.toString('latin1').trim() !== '') {
    return 'the connection was ended without a response'
  }
  for (const response of responses) {
    const wrong = faultOf(response, head)
    if (wrong !== undefined) return wrong
    if (unauthorized && response.status < 400) return `${response.status} for who has no right to it`
  }
  return undefined
}

function faultOf(response: RawResponse, head: boolean): string | undefined {
  const { status, headers, header, body } = response
  if (status >= 500) return `${status}: ${body}`
  if (!REQUEST_ID.test(header('x-request-id'))) return `no X-Request-Id with ${status}`
  const text = `${headers.flat().join('\n')}\n${body}`
  if (text.includes(CANARY)) return `a secret is in the response: ${text}`
  if (/injected/i.test(headers.flat().join())) return 'a header of the request became one of the response'
  if (head || status < 400 || status === 402) return undefined
  return problemFault(response)
}

/** Each refusal is a problem document with a code of the contract and the status of that code. */
export function problemFault({ status, header, body }: RawResponse): string | undefined {
  if (header('content-type') !== 'application/problem+json') {
    return `${status} with ${header('content-type') || 'no content type'}: ${body}`
  }
  const parsed = problem.safeParse(jsonOf(body))
  if (!parsed.success) return `${status} is no problem document: ${body}`
  const known = Object.entries(PROBLEMS).find(([code]) => code === parsed.data.code)
  if (known === undefined) return `the code ${parsed.data.code} is not in the contract`
  if (known[1].status !== status || parsed.data.status !== status) return `${status} with ${parsed.data.code}`
  if ((status === 401) !== (header('www-authenticate') !== ''))
    return `${status} and its challenge do not go together`
  return undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
