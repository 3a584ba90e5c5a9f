// Shows /openapi.json with Swagger UI, and signs what is sent from it, or adds the API key. Nothing that is typed in is stored.
import { createSigner } from '/docs/signer.js'

const PROBLEM_TYPE = 'application/problem+json'
const KEY_FORMAT = 'key'

const client = input('client')
const secret = input('secret')
const apiKey = input('api-key')
const note = element('note')
const usualNote = note.textContent

element('signer').addEventListener('submit', (event) => event.preventDefault())
followColorScheme()

const spec = await loadDocument()
const protectedOperations = findProtected(spec)
SwaggerUIBundle({
  domNode: element('api'),
  spec: forThisPage(spec),
  requestInterceptor: sayWhoCalls,
  plugins: [ourParts],
  onComplete: () => element('loading').remove(),
  // Badges and suggestions of others' services.
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  supportedSubmitMethods: ['get', 'post'],
})

/** Says so on the page when it cannot be loaded. */
async function loadDocument() {
  try {
    const response = await fetch('/openapi.json')
    if (!response.ok) throw new Error(`status ${response.status}`)
    /** @type {ApiDocument} */
    const document = await response.json()
    return document
  } catch (error) {
    const state = element('loading-state')
    state.textContent = `The description of the API cannot be loaded (${error instanceof Error ? error.message : error}). Reload this page when the service responds.`
    state.className = 'fault'
    throw error
  }
}

/**
 * The operations that want to know who calls, as patterns of `METHOD path`, and whether an API key is enough.
 * @param {ApiDocument} document
 */
function findProtected(document) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security = [] }]) => security.length > 0)
      .map(([method, { security = [] }]) => ({
        pattern: new RegExp(`^${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '[^/]+')}$`),
        takesKey: security.some((schemes) => 'apiKey' in schemes),
      })),
  )
}

/**
 * The document as this page shows it: the bar above signs, so that no reader has to write its headers by hand,
 * and fields are empty where an example would only be in the way.
 * @param {ApiDocument} document
 */
function forThisPage(document) {
  const copy = structuredClone(document)
  const { parameters, securitySchemes } = copy.components
  const taken = ['#/components/parameters/ClientId', '#/components/parameters/RequestId']
  for (const methods of Object.values(copy.paths)) {
    for (const operation of Object.values(methods)) {
      operation.parameters = (operation.parameters ?? []).filter(({ $ref = '' }) => !taken.includes($ref))
      for (const parameter of operation.parameters) delete parameter.examples
      Object.values(operation.responses).forEach(shorten)
    }
  }
  delete parameters.ClientId
  delete parameters.RequestId
  for (const parameter of Object.values(parameters)) delete parameter.examples
  const keySchema = parameters.IdempotencyKey?.schema
  if (keySchema !== undefined) keySchema.format = KEY_FORMAT
  const schemes = Object.entries(securitySchemes)
  copy.info.description += `\n\n## Signing\n\n${schemes
    .map(
      ([name, { name: header = 'Authorization: Bearer', description }]) =>
        `**${name}** (\`${header}\`) ${description}`,
    )
    .join('\n\n')}`
  return copy
}

/**
 * Of errors the codes and what they mean, with a link to the rest: every header and an example of each would make
 * an operation fifteen screens long.
 * @param {DocumentResponse} response
 */
function shorten(response) {
  const { [PROBLEM_TYPE]: problem, ...others } = response.content
  if (problem === undefined) return
  response.description = response.description.replace(/^- `(\w+)`/gm, '- [`$1`](/problems/$1)')
  response.content = others
  response.headers = {}
}

/** @param {OutgoingRequest} request as Swagger UI is about to send it */
async function sayWhoCalls(request) {
  const url = new URL(request.url, location.href)
  const operation = protectedOperations.find(({ pattern }) =>
    pattern.test(`${request.method.toUpperCase()} ${url.pathname}`),
  )
  if (operation === undefined) return request
  say(usualNote, false)
  if (operation.takesKey && apiKey.value !== '') {
    request.headers.Authorization = `Bearer ${apiKey.value.trim()}`
    return request
  }
  if (secret.value === '') {
    const missing = operation.takesKey ? 'the secret or an API key' : 'the secret'
    say(`Type in ${missing}: this request was sent without a signature.`, true)
    return request
  }
  const { headers, method, body = '' } = request
  const key = Object.entries(headers).find(([name]) => name.toLowerCase() === 'idempotency-key')?.[1] ?? ''
  try {
    const signer = createSigner(client.value.trim() || 'default', secret.value)
    headers['X-Client-Id'] = signer.client
    headers['X-Signature'] = await signer.sign({
      timestamp: Math.floor(Date.now() / 1000),
      method: method.toUpperCase(),
      target: url.pathname + url.search,
      // Browsers send a header without the white space around it.
      key: String(key).trim(),
      body: new TextEncoder().encode(body),
    })
  } catch (error) {
    // A client id that cannot be one, or a browser that signs on https and on this machine only.
    say(`This request was sent without a signature: ${error instanceof Error ? error.message : error}.`, true)
  }
  return request
}

/**
 * A plugin of Swagger UI: a key field that fills itself, no buttons to type signatures into, and names and landmarks that
 * it does not give.
 * @param {{ React: React }} system
 */
function ourParts({ React }) {
  const h = React.createElement

  /**
   * Keeps its key, so that sending again is a retry, until a new one is asked for.
   * @param {KeyFieldProps} props
   */
  function FreshKey({ value, onChange, disabled, errors }) {
    React.useEffect(() => {
      if (!value && !disabled) onChange(newKey())
    }, [disabled])
    if (disabled) return h('em', null, 'a UUID, made for you')
    return h(
      'div',
      { className: 'fresh-key' },
      h('input', {
        type: 'text',
        'aria-label': 'Idempotency-Key',
        className: errors !== undefined && errors.size > 0 ? 'invalid' : '',
        value: value ?? '',
        onChange: (/** @type {{ target: HTMLInputElement }} */ event) => onChange(event.target.value),
      }),
      h('button', { type: 'button', className: 'btn', onClick: () => onChange(newKey()) }, 'New key'),
      h('small', null, 'Sent again with the same key, a request is a retry: it gets the same response.'),
    )
  }

  /**
   * @param {string} tag
   * @param {object} attributes
   * @param {...string} text
   */
  function named(tag, attributes, ...text) {
    return (/** @type {object} */ Original) => (/** @type {object} */ props) =>
      h(tag, attributes, ...text, h(Original, props))
  }

  return {
    components: { [`JsonSchema_string_${KEY_FORMAT}`]: FreshKey },
    wrapComponents: {
      authorizeBtn: () => () => null,
      authorizeOperationBtn: () => () => h('span', { className: 'signed' }, 'signed'),
      ServersContainer: () => () => null,
      InfoContainer: named('section', { 'aria-label': 'About this API' }),
      ExamplesSelect: named('label', { className: 'example-label' }, 'Example'),
      // Its heading is a level above those that follow it.
      /** @param {(props: object) => ShownElement | null} Original */
      Webhooks: (Original) => (/** @type {object} */ props) => {
        const shown = Original(props)
        return (
          shown && h('section', { className: 'webhooks' }, h('h3', null, 'Webhooks'), shown.props.children[1])
        )
      },
      /** @param {object} Original */
      TextArea: (Original) => (/** @type {object} */ props) =>
        h(Original, { ...props, 'aria-label': 'Request body' }),
    },
  }
}

/** Not randomUUID, which browsers give to secure pages only. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  // Version 4 of a UUID says so in two places.
  const variant = '89ab'.charAt(Number(`0x${hex.charAt(16)}`) % 4)
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})/, `$1-$2-4$3-${variant}$4-`)
}

/** Swagger UI has its own dark look, under a class. */
function followColorScheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
  dark.addEventListener('change', follow)
  follow()
}

/**
 * @param {string} text
 * @param {boolean} isFault
 */
function say(text, isFault) {
  note.textContent = text
  note.classList.toggle('fault', isFault)
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

/** @param {string} id */
function input(id) {
  const found = element(id)
  if (!(found instanceof HTMLInputElement)) throw new Error(`#${id} is no input`)
  return found
}
