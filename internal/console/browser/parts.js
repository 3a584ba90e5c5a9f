// Small things that every part of the page is made of. Text only ever becomes text: nothing here parses HTML.

/**
 * @param {string} tag with classes: `td.number`
 * @param {Record<string, string | number | boolean | undefined>} attributes
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  const [name = 'div', ...classes] = tag.split('.')
  const element = document.createElement(name)
  if (classes.length > 0) element.className = classes.join(' ')
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(attribute, '')
    else if (value !== undefined && value !== false) element.setAttribute(attribute, String(value))
  }
  element.append(...children.filter((child) => child !== undefined && child !== false).map(asNode))
  return element
}

/** @param {Child} child */
function asNode(child) {
  return child instanceof Node ? child : String(child)
}

/**
 * A table, or a sentence where there is nothing to show.
 * @param {string[]} head names of columns; one that begins with # is of numbers
 * @param {HTMLTableRowElement[] | Element[]} rows
 * @param {string} none
 */
export function table(head, rows, none) {
  if (rows.length === 0) return h('p.none', {}, none)
  const cells = head.map((name) =>
    name === '' ? h('td') : name.startsWith('#') ? h('th.number', {}, name.slice(1)) : h('th', {}, name),
  )
  // Reached by keyboard, for where it is wider than its card.
  return h(
    'div.scroll',
    { tabindex: 0 },
    h('table', {}, h('thead', {}, h('tr', {}, ...cells)), h('tbody', {}, ...rows)),
  )
}

/**
 * @param {string} label
 * @param {() => void} onClick
 * @param {string} kind
 */
export function button(label, onClick, kind = '') {
  const made = h(kind === '' ? 'button' : `button.${kind}`, { type: 'button' }, label)
  made.addEventListener('click', onClick)
  return made
}

/** @param {number | undefined} ms */
export function span(ms) {
  if (ms === undefined) return '–'
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}

/** @param {string} id */
export function element(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

/**
 * The page is filled anew every few seconds: what an operator has scrolled to, and the button that has the focus, stay.
 * @param {string} id
 * @param {Child[]} children
 */
export function fill(id, ...children) {
  const place = element(id)
  const places = Array.from(place.querySelectorAll('.scroll'), ({ scrollLeft }) => scrollLeft)
  const focused = place.contains(document.activeElement) ? nameOf(document.activeElement) : undefined
  place.replaceChildren(...children.filter((child) => child !== undefined && child !== false).map(asNode))
  place.querySelectorAll('.scroll').forEach((scrolled, n) => {
    scrolled.scrollLeft = places[n] ?? 0
  })
  if (focused === undefined) return
  const again = Array.from(place.querySelectorAll('button')).find((one) => nameOf(one) === focused)
  again?.focus({ preventScroll: true })
}

/**
 * Of a button, with what its row is about.
 * @param {Element | null} control
 */
function nameOf(control) {
  const row = control?.closest('tr')
  return [control, row?.cells[0], row?.querySelector('.mono')].map((one) => one?.textContent).join('\n')
}

/** @param {string} id */
export function input(id) {
  const found = element(id)
  if (!(found instanceof HTMLInputElement)) throw new Error(`#${id} is no input`)
  return found
}
