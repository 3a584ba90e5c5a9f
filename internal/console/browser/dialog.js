// The dialog in which an operator says what is to be changed and why. The name is that of the sign-in.
import { button, element, h } from './parts.js'

/**
 * @typedef {{ ask: Ask, operator: () => string, changed: () => void }} Actions
 */

/**
 * @param {{
 *   title: string, of: string, warning: string, fields: HTMLElement[], action: string, question?: string,
 *   send: (by: string, reason: string) => Promise<unknown>, actions: Actions,
 * }} options
 */
export function dialog({ title, of, warning, fields, action, question = 'How you know', send, actions }) {
  const shown = element('dialog')
  if (!(shown instanceof HTMLDialogElement)) throw new Error('#dialog is no dialog')
  const reason = h('input', { name: 'reason', required: true, maxlength: 500, spellcheck: 'true' })
  const fault = h('p.fault', { role: 'alert' })
  const form = h(
    'form',
    {},
    h('h2', {}, title),
    h('p.mono', {}, of),
    h('p.warning', {}, warning),
    ...fields,
    labelled(`${question}, for the audit trail`, reason),
    h(
      'div.actions',
      {},
      h('button.main', { type: 'submit' }, action),
      button('Cancel', () => shown.close()),
    ),
    fault,
  )
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    fault.textContent = ''
    try {
      const said = await send(actions.operator(), textOf(reason))
      if (typeof said === 'object' && said !== null && 'done' in said && said.done === true) shown.close()
      else
        fault.textContent =
          'It has changed since it was shown, and was left alone. Close this and look again.'
      actions.changed()
    } catch (error) {
      fault.textContent = error instanceof Error ? error.message : String(error)
    }
  })
  shown.replaceChildren(form)
  shown.showModal()
}

/**
 * @param {string} text
 * @param {HTMLElement} field
 */
export function labelled(text, field) {
  return h('label', {}, text, field)
}

/** @param {HTMLElement} field */
export function textOf(field) {
  if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) return field.value
  throw new Error('this is no field')
}
