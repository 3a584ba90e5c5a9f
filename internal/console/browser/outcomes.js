// Outcomes that wait for an operator, and the dialogs in which the operator says what happened.
import { dialog, labelled, textOf } from './dialog.js'
import { button, element, fill, h, span, table } from './parts.js'

/**
 * @param {Overview} overview
 * @param {import('./dialog.js').Actions} actions
 */
export function showOpen({ keys, payments, complete }, actions) {
  const rows = [
    ...keys.map((key) =>
      h(
        'tr',
        {},
        h('td', {}, key.client),
        h('td', {}, key.scope),
        h('td.mono', {}, key.key),
        h('td', {}, (key.reason ?? 'unknown').replaceAll('_', ' ')),
        h('td.number', {}, span(key.sinceMs)),
        h('td', {}, keyButtons(key, actions)),
      ),
    ),
    ...payments.map((payment) =>
      h(
        'tr',
        {},
        h('td', {}, payment.client),
        h('td', {}, `payment of ${payment.amount} ${payment.currency ?? ''}`),
        h('td.mono', {}, payment.key),
        h(
          'td',
          {},
          payment.state === 'unknown' ? 'gateway did not say' : `asking, ${payment.checks} times so far`,
        ),
        h('td.number', {}, span(payment.ageMs)),
        h('td', {}, payment.state === 'unknown' ? paymentButtons(payment, actions) : ''),
      ),
    ),
  ]
  element('open-card').classList.toggle('waiting', rows.length > 0)
  fill(
    'open',
    table(['Client', 'Request', 'Key', 'Why', '#Since', ''], rows, 'Nothing is open.'),
    !complete && h('p.none', {}, 'There may be more: this look ended before it had seen all keys.'),
  )
}

/**
 * @param {OpenKey} key
 * @param {import('./dialog.js').Actions} actions
 */
export function keyButtons(key, actions) {
  return h(
    'div.actions',
    {},
    button('Resolve…', () => resolveKey(key, actions)),
    button('Release…', () => releaseKey(key, actions), 'danger'),
  )
}

/**
 * @param {OpenPayment} payment
 * @param {import('./dialog.js').Actions} actions
 */
function paymentButtons(payment, actions) {
  return h(
    'div.actions',
    {},
    button('It was charged…', () => settle(payment, 'completed', actions)),
    button('It was not…', () => settle(payment, 'declined', actions), 'danger'),
  )
}

/**
 * @param {OpenKey} key
 * @param {import('./dialog.js').Actions} actions
 */
function resolveKey({ client, scope, key, seen }, actions) {
  const status = h('input', {
    name: 'status',
    type: 'number',
    min: 200,
    max: 599,
    value: 201,
    required: true,
  })
  const type = h('input', { name: 'type', value: 'application/json' })
  const body = h('textarea', { name: 'body', spellcheck: 'false' })
  dialog({
    title: 'It took effect: say what the response is',
    of: `${client} · ${scope} · ${key}`,
    warning: 'Every retry with this key gets this response from now on. The request is not run again.',
    fields: [labelled('Status', status), labelled('Content-Type', type), labelled('Body', body)],
    action: 'Resolve',
    send: (by, reason) =>
      actions.ask('api/keys/resolve', {
        client,
        scope,
        key,
        seen,
        by,
        reason,
        response: { status: Number(textOf(status)), contentType: textOf(type), body: textOf(body) },
      }),
    actions,
  })
}

/**
 * @param {OpenKey} key
 * @param {import('./dialog.js').Actions} actions
 */
function releaseKey({ client, scope, key, seen }, actions) {
  const certain = h('input', { type: 'checkbox', required: true })
  dialog({
    title: 'Nothing took effect: free the key',
    of: `${client} · ${scope} · ${key}`,
    warning:
      'The next retry with this key RUNS THE REQUEST AGAIN. If it did take effect after all, it does so twice.',
    fields: [
      h(
        'label.check',
        {},
        certain,
        ' It is certain that nothing happened, and that it is not still on its way',
      ),
    ],
    action: 'Release',
    send: (by, reason) => actions.ask('api/keys/resolve', { client, scope, key, seen, by, reason }),
    actions,
  })
}

/**
 * @param {OpenPayment} payment
 * @param {'completed' | 'declined'} state
 * @param {import('./dialog.js').Actions} actions
 */
function settle({ client, id, key, amount, currency, attempt }, state, actions) {
  const charge = h('input', { name: 'charge', required: true, spellcheck: 'false', maxlength: 255 })
  dialog({
    title: state === 'completed' ? 'The gateway did charge it' : 'The gateway did not charge it',
    of: `${client} · ${amount} ${currency ?? ''} · ${key} · ${id}`,
    warning: `Every retry gets ${state === 'completed' ? '200, completed' : '402, declined'} from now on. Look at the gateway first.`,
    fields: state === 'completed' ? [labelled('What the gateway calls the charge', charge)] : [],
    action: state === 'completed' ? 'Mark as charged' : 'Mark as declined',
    send: (by, reason) =>
      actions.ask('api/payments/settle', {
        client,
        id,
        attempt,
        state,
        by,
        reason,
        ...(state === 'completed' ? { chargeId: textOf(charge) } : {}),
      }),
    actions,
  })
}
