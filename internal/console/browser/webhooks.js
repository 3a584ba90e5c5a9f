// Where clients have their events sent, and what became of the deliveries of one endpoint.
import { dialog, labelled, textOf } from './dialog.js'
import { button, element, fill, h, span, table } from './parts.js'

/** How far back a replay begins unless the operator says otherwise. */
const REPLAY_MS = 86_400_000

/**
 * The endpoint whose deliveries are shown.
 * @type {EndpointRow | undefined}
 */
let chosen

/** Of this client only; empty: of all. */
let filter = ''

export function forgetWebhooks() {
  chosen = undefined
  filter = ''
}

/** @param {string} client */
export function filterWebhooks(client) {
  filter = client
}

/** @param {import('./dialog.js').Actions} actions */
export async function showWebhooks(actions) {
  if (element('webhooks-card').hidden) return
  const query = filter === '' ? '' : `?${new URLSearchParams({ client: filter })}`
  showEndpoints(/** @type {Endpoints} */ (await actions.ask(`api/webhooks${query}`)), actions)
  await showDeliveries(actions)
}

/**
 * @param {Endpoints} shown
 * @param {import('./dialog.js').Actions} actions
 */
function showEndpoints({ endpoints, complete }, actions) {
  // What was chosen may have changed, or be gone.
  if (chosen !== undefined) chosen = endpoints.find(({ id }) => id === chosen?.id) ?? chosen
  const rows = endpoints.map((endpoint) => {
    const { client, url, open, failed, deliveredMs, failedMs } = endpoint
    return h(
      'tr',
      {},
      h('td', {}, client),
      h('td.mono.url', {}, url),
      h('td', {}, state(endpoint)),
      h('td.number', {}, since(deliveredMs)),
      h('td.number', {}, since(failedMs)),
      h('td.number', {}, atMost(open)),
      h(failed > 0 ? 'td.number.bad' : 'td.number', {}, atMost(failed)),
      h('td', {}, endpointButtons(endpoint, actions)),
    )
  })
  const head = ['Client', 'URL', 'State', '#Last success', '#Last failure', '#Open', '#Failed', '']
  fill(
    'endpoints',
    table(head, rows, 'No client has an endpoint.'),
    !complete && h('p.none', {}, 'There are more: name a client.'),
  )
}

/** @param {EndpointRow} endpoint */
function state({ state: now, reason, failingMs }) {
  if (now === 'disabled') return h('span.bad', {}, `disabled: ${reason ?? 'not known'}`)
  return failingMs === undefined
    ? h('span.good', {}, 'enabled')
    : h('span.bad', {}, `failing for ${span(failingMs)}`)
}

/** @param {number | undefined} ms */
function since(ms) {
  return ms === undefined ? 'never' : `${span(ms)} ago`
}

/**
 * The service counts no further.
 * @param {number} count
 */
function atMost(count) {
  return count < 1_000 ? count : '1000+'
}

/**
 * @param {EndpointRow} endpoint
 * @param {import('./dialog.js').Actions} actions
 */
function endpointButtons(endpoint, actions) {
  const isEnabled = endpoint.state === 'enabled'
  return h(
    'div.actions',
    {},
    button('Deliveries', () => {
      chosen = endpoint
      actions.changed()
    }),
    button('Replay…', () => replaySince(endpoint, actions)),
    isEnabled
      ? button('Disable…', () => disable(endpoint, actions), 'danger')
      : button('Enable…', () => enable(endpoint, actions)),
  )
}

/** @param {import('./dialog.js').Actions} actions */
async function showDeliveries(actions) {
  if (chosen === undefined) return
  const { client, id, url } = chosen
  const query = new URLSearchParams({ client, id })
  const { deliveries } = /** @type {{ deliveries: DeliveryRow[] }} */ (
    await actions.ask(`api/webhooks/deliveries?${query}`)
  )
  if (chosen?.id !== id) return
  const rows = deliveries.map((delivery) =>
    h(
      'tr',
      {},
      h('td.mono.name', {}, delivery.event),
      h('td', {}, delivery.type),
      h(delivery.state === 'failed' ? 'td.bad' : 'td', {}, delivery.sending ? 'being sent' : delivery.state),
      h('td.number', {}, delivery.attempts),
      h('td.number', {}, delivery.status ?? '–'),
      h('td.mono.response', {}, delivery.error, ' ', delivery.response),
      h('td.number', {}, when(delivery)),
      h(
        'td',
        {},
        button('Send again…', () => replayOne(client, id, url, delivery, actions)),
      ),
    ),
  )
  const head = ['Event', 'Type', 'State', '#Attempts', '#Status', 'Response', '#When', '']
  fill(
    'deliveries',
    h('h3', {}, 'Deliveries to ', h('span.mono', {}, url), ` of ${client}`),
    table(head, rows, 'Nothing was sent there in the last 30 days.'),
  )
}

/** @param {DeliveryRow} delivery */
function when({ state: now, nextMs, endedMs }) {
  return now === 'pending' ? `next try in ${span(nextMs)}` : `${span(endedMs)} ago`
}

/**
 * @param {EndpointRow} endpoint
 * @param {import('./dialog.js').Actions} actions
 */
function replaySince({ client, id, url }, actions) {
  const field = h('input', { name: 'since', type: 'datetime-local', step: 1, required: true })
  if (field instanceof HTMLInputElement) field.value = localTime(new Date(Date.now() - REPLAY_MS))
  dialog({
    title: 'Send everything again since a time',
    of: `${client} · ${url}`,
    warning: 'It enables the endpoint. A partner that does not do each webhook-id once does things twice.',
    fields: [labelled('Since, by the clock of this browser', field)],
    action: 'Replay',
    question: 'Why',
    send: (by, reason) =>
      actions.ask('api/webhooks/replay', {
        client,
        id,
        since: new Date(textOf(field)).toISOString(),
        by,
        reason,
      }),
    actions,
  })
}

/**
 * @param {EndpointRow} endpoint
 * @param {import('./dialog.js').Actions} actions
 */
function enable({ client, id, url }, actions) {
  dialog({
    title: 'Enable the endpoint',
    of: `${client} · ${url}`,
    warning: 'What happened while it was disabled is sent now. What had failed before is not.',
    fields: [],
    action: 'Enable',
    question: 'Why',
    send: (by, reason) => actions.ask('api/webhooks/replay', { client, id, by, reason }),
    actions,
  })
}

/**
 * @param {EndpointRow} endpoint
 * @param {import('./dialog.js').Actions} actions
 */
function disable({ client, id, url }, actions) {
  dialog({
    title: 'Send nothing there any more',
    of: `${client} · ${url}`,
    warning: 'What is open is on record as failed. What happens from now on waits until it is enabled.',
    fields: [],
    action: 'Disable',
    question: 'Why',
    send: (by, reason) => actions.ask('api/webhooks/disable', { client, id, by, reason }),
    actions,
  })
}

/**
 * @param {string} client
 * @param {string} id
 * @param {string} url
 * @param {DeliveryRow} delivery
 * @param {import('./dialog.js').Actions} actions
 */
function replayOne(client, id, url, { event }, actions) {
  dialog({
    title: 'Send this event again',
    of: `${client} · ${url} · ${event}`,
    warning: 'It is sent at once, with the same id and the same bytes.',
    fields: [],
    action: 'Send again',
    question: 'Why',
    send: (by, reason) => actions.ask('api/webhooks/replay', { client, id, event, by, reason }),
    actions,
  })
}

/**
 * As the field of the form has it.
 * @param {Date} time
 */
function localTime(time) {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
