// Everything that is known of one key.
import { keyButtons } from './outcomes.js'
import { fill, h, span } from './parts.js'

/**
 * @param {Life} life
 * @param {import('./dialog.js').Actions} actions
 */
export function showLife(life, actions) {
  const { client, key, records, complete, orders, payments, audit, lookedThrough } = life
  const known = records.length + orders.length + payments.length + audit.length > 0
  fill(
    'found',
    h('h3', {}, 'Key ', h('code', {}, key), ` of ${client}`),
    !known &&
      h('p.none', {}, 'Nothing is known of it: it was never used, is over, or belongs to another client.'),
    h(
      'div.parts',
      {},
      ...records.map((record) =>
        part(
          `Record of ${record.scope}`,
          {
            State: record.state.replace('_', ' '),
            Attempt: record.attempt,
            'Unknown since': record.state === 'unknown' ? span(record.sinceMs) : undefined,
            Why: record.reason?.replaceAll('_', ' '),
            'Lock ends in': record.leaseMs === undefined ? undefined : span(record.leaseMs),
            'Forgotten in': record.expiresMs === undefined ? 'never by itself' : span(record.expiresMs),
            'Resolved by': record.resolvedBy,
          },
          record.response && response(record.response),
          record.state === 'unknown' && keyButtons(record, actions),
        ),
      ),
      ...orders.map((order) =>
        part(
          'Order',
          {
            Id: order.id,
            User: order.userId,
            Item: order.item,
            Amount: order.amount,
            Placed: order.createdAt,
          },
          order.body !== undefined && body(`Answered with ${order.status}`, order.body),
        ),
      ),
      ...payments.map((payment) =>
        part(
          `Payment by ${payment.scope}`,
          {
            Id: payment.id,
            State: payment.state,
            Amount: `${payment.amount} ${payment.currency ?? ''}`,
            Attempts: payment.attempt,
            'Gateway asked': payment.checks === 0 ? undefined : `${payment.checks} times`,
            User: payment.userId ?? undefined,
            Description: payment.description ?? undefined,
            Method: payment.paymentMethod ?? undefined,
            Charge: payment.chargeId ?? undefined,
            BeginResult: payment.createdAt,
            Settled: payment.settledAt,
            'Gateway asked next': payment.checkAt,
          },
          payment.body !== undefined && body(`Answered with ${payment.status}`, payment.body),
        ),
      ),
    ),
    audit.length > 0 && h('h3', {}, 'Audit trail'),
    audit.length > 0 && h('ol.timeline', {}, ...audit.map(entry)),
    !complete &&
      h(
        'p.none',
        {},
        'There may be more: this look ended before it had seen all keys of the client. With its route a key is found at once.',
      ),
    known &&
      lookedThrough !== undefined &&
      h(
        'p.none',
        {},
        `The audit trail was looked through for the newest ${lookedThrough.toLocaleString()} entries of the client.`,
      ),
  )
}

/**
 * @param {string} title
 * @param {Record<string, string | number | undefined>} facts
 * @param {Child[]} more
 */
function part(title, facts, ...more) {
  const shown = Object.entries(facts).flatMap(([name, value]) =>
    value === undefined ? [] : [h('dt', {}, name), h('dd', {}, value)],
  )
  return h('div', {}, h('h3', {}, title), h('dl', {}, ...shown), ...more)
}

/** @param {ShownResponse} shown */
function response({ status, headers, bytes, body: text }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return body(`Replayed: ${status}, ${bytes.toLocaleString()} bytes`, `${lines.join('\n')}\n\n${text}`)
}

/**
 * @param {string} title
 * @param {string} text
 */
function body(title, text) {
  return h('details', {}, h('summary', {}, title), h('pre', {}, text))
}

/** @param {Life['audit'][number]} entry */
function entry({ seq, at, event, entry: json }) {
  return h(
    'li',
    {},
    h('time', { datetime: at }, at.replace('T', ' ').replace('Z', '')),
    h('b', {}, event),
    seq !== undefined && ` #${seq}`,
    h('div', {}, told(json)),
  )
}

/**
 * The members that an entry does not share with every other one of this key.
 * @param {string} json
 */
function told(json) {
  const members = Object.entries(JSON.parse(json)).filter(
    ([name]) =>
      !['idempotency_key', 'key', 'scope', 'amount', 'currency', 'id', 'transaction_id'].includes(name),
  )
  return members.map(([name, value]) => `${name.replaceAll('_', ' ')}: ${value}`).join(' · ')
}
