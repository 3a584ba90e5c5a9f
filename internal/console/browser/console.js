// The operator's console. The token lives in this module, in memory, and goes with the page.
import { showOpen } from './outcomes.js'
import { element, fill, h, input, span, table } from './parts.js'
import { drawPlot } from './plot.js'
import { showLife } from './search.js'
import { filterWebhooks, forgetWebhooks, showWebhooks } from './webhooks.js'

/** The nodes report every 5 seconds. */
const REFRESH_MS = 5_000

let token = ''
let operator = ''
/** @type {Overview | undefined} */
let latest
/** When it was read, for the reader. */
let latestAt = ''
/** @type {number | undefined} */
let timer

/** @type {import('./dialog.js').Actions} */
const actions = { ask, operator: () => operator, changed: () => void refresh() }

element('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault()
  token = input('token').value.trim()
  operator = input('name').value.trim()
  element('sign-in-fault').textContent = ''
  try {
    const overview = await readOverview()
    name(overview)
    show(overview)
    input('token').value = ''
    signedIn(true)
    draw()
    await refresh()
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
element('webhooks-of').addEventListener('submit', (event) => {
  event.preventDefault()
  filterWebhooks(input('webhooks-client').value.trim())
  void refresh()
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && token !== '') void refresh()
})
addEventListener('resize', draw)

/** @type {Ask} */
async function ask(path, body) {
  // This file is in the folder of the console, wherever that is.
  const response = await fetch(new URL(path, import.meta.url), {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: 'omit',
    cache: 'no-store',
  })
  const content = await response.json()
  if (response.ok) return content
  if (response.status === 401 && latest !== undefined) signOut()
  throw new Error(content.detail ?? `the service returns ${response.status}`)
}

/** @returns {Promise<Overview>} */
async function readOverview() {
  return /** @type {Overview} */ (await ask('api/overview'))
}

async function refresh() {
  clearTimeout(timer)
  try {
    // A page in the background is not looked at: it asks for nothing.
    if (!document.hidden) {
      show(await readOverview())
      await showWebhooks(actions)
    }
    state('', false)
  } catch (error) {
    state(`Not up to date since ${latestAt}: ${messageOf(error)}`, true)
    // What was true then must not be read as what is true now.
    if (latest !== undefined) showNow(latest, true)
  }
  later()
}

function later() {
  clearTimeout(timer)
  if (token !== '') timer = setTimeout(refresh, REFRESH_MS)
}

/** @param {boolean} isIn */
function signedIn(isIn) {
  element('door').hidden = isIn
  element('board').hidden = !isIn
  element('sign-out').hidden = !isIn
}

function signOut() {
  token = ''
  latest = undefined
  clearTimeout(timer)
  forgetWebhooks()
  for (const id of [
    'tiles',
    'legend',
    'plot',
    'open',
    'clients',
    'locks',
    'nodes',
    'endpoints',
    'deliveries',
    'found',
  ])
    fill(id)
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
  element('state').textContent = text || (token === '' ? '' : `as of ${latestAt}`)
  element('state').classList.toggle('fault', isFault)
}

/**
 * Says what the console is of.
 * @param {Overview} overview
 */
function name({ kind, searchClient }) {
  element('kind').textContent = kind === 'sidecar' ? 'sidecar console' : 'console'
  element('webhooks-card').hidden = kind === 'sidecar'
  input('search-client').value = searchClient
  input('search-scope').placeholder = kind === 'sidecar' ? 'any' : 'all of this service'
}

/** @param {Overview} overview */
function show(overview) {
  latest = overview
  latestAt = new Date().toLocaleTimeString()
  state('', false)
  showNow(overview, false)
  draw()
  showOpen(overview, actions)
  showClients(overview)
  showLocks(overview)
}

/**
 * What tells how things are at this moment.
 * @param {Overview} overview
 * @param {boolean} isStale
 */
function showNow(overview, isStale) {
  element('board').classList.toggle('stale', isStale)
  showTiles(overview, isStale)
  showNodes(overview, isStale)
}

function draw() {
  if (latest !== undefined && !element('board').hidden) drawPlot(latest)
}

/**
 * @param {Overview} overview
 * @param {boolean} isStale
 */
function showTiles(overview, isStale) {
  const { requestsPerS, inFlight, circuit, buckets, outcomes, keys, payments, complete, nodes } = overview
  const counts = outcomes.map((_, which) => buckets.reduce((sum, one) => sum + (one[which] ?? 0), 0))
  const of = (/** @type {string} */ outcome) => counts[outcomes.indexOf(outcome)] ?? 0
  const all = counts.reduce((sum, count) => sum + count, 0)
  const open = keys.length + payments.length
  const share = (/** @type {number} */ count) => (all === 0 ? '–' : `${((count / all) * 100).toFixed(1)} %`)
  const live = nodes.filter((node) => node.live).length
  fill(
    'tiles',
    tile(isStale ? '–' : requestsPerS.toLocaleString(), 'requests a second'),
    tile(isStale ? '–' : inFlight, 'in flight'),
    tile(share(of('replayed')), 'replayed'),
    tile(share(of('failed')), 'failed', of('failed') > 0 ? 'bad' : ''),
    tile(`${open}${complete ? '' : '+'}`, 'open outcomes', open > 0 ? 'bad' : ''),
    overview.kind === 'service' &&
      (isStale
        ? tile('–', 'gateway breaker')
        : tile((circuit ?? '–').replace('_', ' '), 'gateway breaker', circuit === 'closed' ? 'good' : 'bad')),
    isStale
      ? tile('–', 'nodes', 'bad')
      : tile(
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
    table(['Client', '#Requests', '#Refused', 'Left of its limits'], rows, 'No client has called.'),
  )
  fill('known-clients', ...clients.map(({ client }) => h('option', { value: client })))
}

/**
 * Of limits that are untouched there is nothing to tell.
 * @param {ClientStanding} standing
 */
function isTelling({ remaining, quota }) {
  return remaining < quota
}

/** @param {ClientStanding} standing */
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

/**
 * @param {Overview} overview
 * @param {boolean} isStale
 */
function showNodes({ nodes }, isStale) {
  const live = () => (isStale ? h('span.bad', {}, 'not known') : h('span.good', {}, 'live'))
  const rows = nodes.map((node) =>
    h(
      node.live ? 'tr' : 'tr.gone',
      {},
      h('td.mono.name', {}, node.id),
      h('td', {}, node.version ?? '–'),
      h('td', {}, node.live ? live() : `silent for ${span(node.silentMs)}`),
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
    showLife(/** @type {Life} */ (await ask(`api/key?${query}`)), again)
  } catch (error) {
    fill('found', h('p.fault', { role: 'alert' }, messageOf(error)))
  }
}

/** @param {unknown} error */
function messageOf(error) {
  // What fetch throws without a response; its text is another one in each browser.
  if (error instanceof TypeError) return 'the service does not respond'
  return error instanceof Error ? error.message : String(error)
}
