import type { Measured } from './measure.ts'
import { PATHS } from './paths.ts'

const COLOURS = { floor: '#9aa5b1', ours: '#1f6feb', peer: '#d29922' } as const
const WIDTH = 760
const BAR_X = 150
const BAR_WIDTH = 430
const BAR_HEIGHT = 14
const LINE = 18
const HEADING = 34

/** Bars of requests a second, a group for each path; the longest bar of each is its highest rate. */
export function chartSvg(measured: readonly Measured[]): string {
  const parts: string[] = []
  let y = 8
  for (const path of PATHS) {
    const group = measured.filter((one) => one.path === path.name)
    if (group.length === 0) continue
    const highest = Math.max(...group.map(({ rate }) => rate))
    parts.push(`<text x="8" y="${y + 18}" font-weight="600">${escaped(`${path.name}: ${path.what}`)}</text>`)
    y += HEADING - 8
    for (const { contestant, kind, rate, p99Ms } of group) {
      const width = Math.max((rate / highest) * BAR_WIDTH, 1)
      const label = `${Math.round(rate).toLocaleString('en')}/s, p99 ${p99Ms.toFixed(1)} ms`
      parts.push(
        `<text x="${BAR_X - 8}" y="${y + 11}" text-anchor="end">${escaped(contestant)}</text>`,
        `<rect x="${BAR_X}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${COLOURS[kind]}"/>`,
        `<text x="${(BAR_X + width + 6).toFixed(1)}" y="${y + 11}">${label}</text>`,
      )
      y += LINE
    }
    y += 8
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12" fill="#24292f" role="img" aria-label="Requests a second by path and contestant">
<rect width="${WIDTH}" height="${y}" fill="#fff"/>
${parts.join('\n')}
</svg>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
