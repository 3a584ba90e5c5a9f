// The plot of requests by outcome: a bar for each ten seconds, drawn by hand.
import { element, fill, h } from './parts.js'

const SVG = 'http://www.w3.org/2000/svg'
const LEFT = 34
const BOTTOM = 18
const TOP = 6

/** @param {Overview} overview */
export function drawPlot({ buckets, outcomes, bucketMs, lastBucket }) {
  const place = element('plot')
  const width = place.clientWidth || 800
  const height = place.clientWidth < 600 ? 144 : 192
  const perSecond = (/** @type {number} */ count) => count / (bucketMs / 1000)
  const totals = buckets.map((counts) => perSecond(sum(counts)))
  const top = niceTop(Math.max(...totals))
  const y = (/** @type {number} */ value) => TOP + (height - BOTTOM - TOP) * (1 - value / top)
  const step = (width - LEFT) / buckets.length

  const svg = make('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': 'Requests a second',
  })
  for (const value of [0, top / 2, top]) {
    svg.append(make('line', { x1: LEFT, x2: width, y1: y(value), y2: y(value) }))
    const label = make('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' })
    label.textContent = String(value)
    svg.append(label)
  }
  for (const minutes of [15, 10, 5, 0]) {
    const x = width - (minutes * 60_000 * step) / bucketMs
    const anchor = minutes === 0 ? 'end' : minutes === 15 ? 'start' : 'middle'
    const label = make('text', { x, y: height - 3, 'text-anchor': anchor })
    label.textContent = minutes === 0 ? 'now' : `−${minutes} min`
    svg.append(label)
  }
  const pointed = make('rect', { class: 'pointed', y: TOP, width: step, height: height - BOTTOM - TOP })
  for (const [place, counts] of buckets.entries()) {
    let below = 0
    for (const [which, outcome] of outcomes.entries()) {
      const value = perSecond(counts[which] ?? 0)
      if (value === 0) continue
      svg.append(
        make('rect', {
          class: outcome,
          x: LEFT + place * step + 0.5,
          y: y(below + value),
          width: Math.max(1, step - 1),
          height: Math.max(0.75, y(below) - y(below + value)),
        }),
      )
      below += value
    }
  }
  svg.addEventListener('pointermove', (event) => {
    const { left, width: shown } = svg.getBoundingClientRect()
    const at = Math.floor((((event.clientX - left) / shown) * width - LEFT) / step)
    const counts = buckets[at]
    if (counts === undefined) return
    pointed.setAttribute('x', String(LEFT + at * step))
    svg.prepend(pointed)
    const time = new Date((lastBucket - buckets.length + 1 + at) * bucketMs)
    legend(outcomes, counts, `${time.toLocaleTimeString()}, ${bucketMs / 1000} s`)
  })
  const all = () => {
    pointed.remove()
    legend(outcomes, buckets.reduce(added, []), 'all 15 min')
  }
  svg.addEventListener('pointerleave', all)
  place.replaceChildren(svg)
  all()
}

/**
 * @param {string[]} outcomes
 * @param {number[]} counts
 * @param {string} moment
 */
function legend(outcomes, counts, moment) {
  const items = outcomes.map((outcome, which) =>
    h('span', {}, h(`i.${outcome}`), `${outcome} `, h('b', {}, (counts[which] ?? 0).toLocaleString())),
  )
  fill('legend', ...items, h('span.moment', {}, moment))
}

/**
 * @param {number[]} sums
 * @param {number[]} counts
 */
function added(sums, counts) {
  return counts.map((count, which) => count + (sums[which] ?? 0))
}

/** @param {number[]} counts */
function sum(counts) {
  return counts.reduce((total, count) => total + count, 0)
}

/**
 * 1, 2 or 5 and noughts: a scale that can be read, and that does not jump with every bar.
 * @param {number} most
 */
function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)))
  const factor = [1, 2, 5, 10].find((one) => one * power >= most) ?? 10
  return factor * power
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function make(name, attributes) {
  const made = document.createElementNS(SVG, name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value))
  return made
}
