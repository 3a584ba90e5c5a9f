import { exchange } from '../support/raw-http.ts'
import { CANARY } from './parties.ts'
import { MARK } from './random.ts'

/** More than every route, method and status of ours together; far fewer than the requests of a run. */
const MAX_SERIES = 3_000
const OURS = /^(?:unmatched|proxy|[A-Z]{3,9}|other|OTHER|\/[A-Za-z0-9/_:.{}*-]*)$/

export interface Scraped {
  series: number
  faults: string[]
}

/** Whether what was sent has got into the metrics: as a label, or as ever more series. */
export async function metricFaults(port: number, path: string): Promise<Scraped> {
  const { responses } = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const text = responses[0]?.body ?? ''
  const lines = text.split('\n').filter((line) => /^[a-z]/.test(line))
  const faults: string[] = []
  if (responses[0]?.status !== 200 || lines.length === 0)
    faults.push(`${path} does not respond: ${text.slice(0, 300)}`)
  if (text.includes(CANARY)) faults.push('a secret is in the metrics')
  for (const line of lines) {
    for (const [, name = '', value = ''] of line.matchAll(/(\w+)="([^"]*)"/g)) {
      const isOdd = (name === 'route' || name === 'method') && !OURS.test(value)
      if (isOdd || new RegExp(`${MARK}[0-9a-f]{8}`).test(value))
        faults.push(`a label of what was sent: ${line}`)
    }
  }
  if (lines.length > MAX_SERIES) faults.push(`${lines.length} series`)
  return { series: lines.length, faults }
}
