// The operator's console. The token lives in this module, in memory, and goes with the page.
import { showOpen } from './outcomes.js'
import { element, fill, h, input, span, table } from './parts.js'
import { drawPlot } from './plot.js'
import { showLife } from './search.js'

/** The nodes report every 5 seconds. */
const REFRESH_MS = 5_000

let token = ''
let operator = ''
/** @type {Overview | undefined} */
let latest
/** @type {number | undefined} */
let timer

/** @type {import('./outcomes.js').Actions} */
const actions = { ask, operator: () => operator, changed: () => void refresh() }

element('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault()
  token = input('token').value.trim()
  operator = input('name').value.trim()
  element('sign-in-fault').textContent = ''
  try {
    show(await readOverview())
    input('token').value = ''
    signedIn(true)
    draw()
    later()
  } catch (error) {
    token = ''
    element('sign-in-fault').textContent = messageOf(error)
  }
})
element('sign-out').addEventListener('click', signOut)
element('search').addEventListener('submit', (event) => {
  event.preventDefault()
  void search(input('search-client').value.trim(), input('search-key').value.trim())
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && token !== '') void refresh()
})
addEventListener('resize', draw)

/** @type {Ask} */
async function ask(path, body) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: 'omit',
    cache: 'no-store',
  })
  const answer = await response.json()
  if (response.ok) return answer
  if (response.status === 401 && latest !== undefined) signOut()
  throw new Error(answer.detail ?? `the service answers ${response.status}`)
}

/** @returns {Promise<Overview>} */
async function readOverview() {
  return /** @type {Overview} */ (await ask('/console/api/overview'))
}

async function refresh() {
  clearTimeout(timer)
  try {
    // Nobody looks at a page in the background: it asks for nothing.
    if (!document.hidden) show(await readOverview())
    state('', false)
  } catch (error) {
    state(`Not up to date: ${messageOf(error)}`, true)
  }
  later()
}

function later() {
  clearTimeout(timer)
  if (token !== '') timer = setTimeout(refresh, REFRESH_MS)
}

/** @param {boolean} isIn */
function signedIn(isIn) {
  element('sign-in').hidden = isIn
  element('board').hidden = !isIn
  element('sign-out').hidden = !isIn
}

function signOut() {
  token = ''
  latest = undefined
  clearTimeout(timer)
  for (const id of ['tiles', 'legend', 'plot', 'open', 'clients', 'locks', 'nodes', 'found']) fill(id)
  const dialog = element('dialog')
  if (dialog instanceof HTMLDialogElement) dialog.close()
  signedIn(false)
  state('', false)
}

/**
 * @param {string} text
 * @param {boolean} isFault
 */
function state(text, isFault) {
  element('state').textContent = text || (token === '' ? '' : `as of ${new Date().toLocaleTimeString()}`)
  element('state').classList.toggle('fault', isFault)
}

/** @param {Overview} overview */
function show(overview) {
  latest = overview
  state('', false)
  showTiles(overview)
  draw()
  showOpen(overview, actions)
  showClients(overview)
  showLocks(overview)
  showNodes(overview)
}

function draw() {
  if (latest !== undefined && !element('board').hidden) drawPlot(latest)
}

/** @param {Overview} overview */
function showTiles({ requestsPerS, underWay, circuit, buckets, outcomes, keys, payments, complete, nodes }) {
  const counts = outcomes.map((_, which) => buckets.reduce((sum, one) => sum + (one[which] ?? 0), 0))
  const of = (/** @type {string} */ outcome) => counts[outcomes.indexOf(outcome)] ?? 0
  const all = counts.reduce((sum, count) => sum + count, 0)
  const open = keys.length + payments.length
  const share = (/** @type {number} */ count) => (all === 0 ? '–' : `${((count / all) * 100).toFixed(1)} %`)
  const live = nodes.filter((node) => node.live).length
  fill(
    'tiles',
    tile(requestsPerS.toLocaleString(), 'requests a second'),
    tile(underWay, 'under way'),
    tile(share(of('replayed')), 'replayed'),
    tile(share(of('failed')), 'failed', of('failed') > 0 ? 'bad' : ''),
    tile(`${open}${complete ? '' : '+'}`, 'open outcomes', open > 0 ? 'bad' : ''),
    tile((circuit ?? '–').replace('_', ' '), 'gateway breaker', circuit === 'closed' ? 'good' : 'bad'),
    tile(
      live === nodes.length ? live : `${live} of ${nodes.length}`,
      'nodes',
      live === nodes.length ? '' : 'bad',
    ),
  )
}

/**
 * @param {string | number} value
 * @param {string} label
 * @param {string} kind
 */
function tile(value, label, kind = '') {
  return h('div.tile', {}, h(kind === '' ? 'b' : `b.${kind}`, {}, value), h('span', {}, label))
}

/** @param {Overview} overview */
function showClients({ clients }) {
  const rows = clients.map(({ client, requests, limited, standings }) =>
    h(
      'tr',
      {},
      h('td', {}, client),
      h('td.number', {}, requests.toLocaleString()),
      h(limited > 0 ? 'td.number.bad' : 'td.number', {}, limited.toLocaleString()),
      h('td', {}, ...(standings ?? []).filter(isTelling).map(limit)),
    ),
  )
  fill(
    'clients',
    table(['Client', '#Requests', '#Refused', 'Left of its limits'], rows, 'Nobody has called.'),
  )
  fill('known-clients', ...clients.map(({ client }) => h('option', { value: client })))
}

/**
 * Of limits that are untouched there is nothing to tell.
 * @param {Standing} standing
 */
function isTelling({ remaining, quota }) {
  return remaining < quota
}

/** @param {Standing} standing */
function limit({ group, name, quota, remaining }) {
  const meter = h('meter', { min: 0, max: quota, low: quota / 5, optimum: quota, value: remaining })
  const title = `${remaining} of ${quota} left of ${group} ${name}`
  return h('div.limit', { title }, h('span', {}, `${group} ${name} ${remaining}/${quota}`), meter)
}

/** @param {Overview} overview */
function showLocks({ locks }) {
  const rows = locks.map(({ client, scope, key, attempt, ageMs }) =>
    h(
      'tr',
      {},
      h('td', {}, client),
      h('td', {}, scope, attempt > 1 && h('b.bad', {}, ` attempt ${attempt}`)),
      h('td.mono', {}, key),
      h(ageMs > 10_000 ? 'td.number.bad' : 'td.number', {}, span(ageMs)),
    ),
  )
  fill('locks', table(['Client', 'Route', 'Key', '#Age'], rows, 'No key is held.'))
}

/** @param {Overview} overview */
function showNodes({ nodes }) {
  const rows = nodes.map((node) =>
    h(
      node.live ? 'tr' : 'tr.gone',
      {},
      h('td.mono.name', {}, node.id),
      h('td', {}, node.version ?? '–'),
      h('td', {}, node.live ? h('span.good', {}, 'live') : `silent for ${span(node.silentMs)}`),
      h('td.number', {}, span(node.uptimeMs)),
      h('td.number', {}, node.requestsPerS?.toLocaleString() ?? '–'),
      h((node.eventLoopMs ?? 0) > 100 ? 'td.number.bad' : 'td.number', {}, `${node.eventLoopMs ?? '–'} ms`),
      h(
        'td.number',
        {},
        node.residentBytes === undefined ? '–' : `${Math.round(node.residentBytes / 2 ** 20)} MiB`,
      ),
      h(
        'td',
        {},
        Object.values(node.circuits ?? {})
          .join(', ')
          .replace('_', ' '),
      ),
    ),
  )
  const head = ['Node', 'Version', 'State', '#Up', '#Requests/s', '#Event loop p99', '#Memory', 'Breaker']
  fill('nodes', table(head, rows, 'No node has reported yet.'))
}

/**
 * @param {string} client
 * @param {string} key
 */
async function search(client, key) {
  const query = new URLSearchParams({ client, key, scope: input('search-scope').value.trim() })
  fill('found', h('p.none', {}, 'Looking …'))
  const again = { ...actions, changed: () => void Promise.all([refresh(), search(client, key)]) }
  try {
    showLife(/** @type {Life} */ (await ask(`/console/api/key?${query}`)), again)
  } catch (error) {
    fill('found', h('p.fault', { role: 'alert' }, messageOf(error)))
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}
