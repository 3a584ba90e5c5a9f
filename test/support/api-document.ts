import assert from 'node:assert/strict'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { z } from 'zod'

const example = z.object({ value: z.unknown() })
const reference = z.object({ $ref: z.string() })
const parameter = z.object({
  name: z.string(),
  in: z.enum(['header', 'path', 'query']),
  required: z.boolean().optional(),
  schema: z.object({ default: z.unknown().optional() }),
  examples: z.record(z.string(), z.object({ value: z.union([z.string(), z.number()]) })),
})
const content = z.object({ examples: z.record(z.string(), z.union([reference, example])) })
const response = z.object({
  headers: z.record(z.string(), z.unknown()),
  content: z.record(z.string(), content),
  links: z
    .record(z.string(), z.object({ operationId: z.string(), parameters: z.record(z.string(), z.string()) }))
    .optional(),
})
const operation = z.object({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(z.union([reference, parameter])).optional(),
  requestBody: z.object({ content: z.record(z.string(), content) }).optional(),
  responses: z.record(z.string(), response),
})
const webhook = z.object({
  post: z.object({
    parameters: z.array(reference),
    requestBody: z.object({ content: z.record(z.string(), content) }),
  }),
})
const apiDocument = z.object({
  webhooks: z.record(z.string(), webhook),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ parameters: z.record(z.string(), parameter) }),
})

export type Parameter = z.infer<typeof parameter>
export type Response = z.infer<typeof response>

export interface DescribedOperation {
  id: string
  method: string
  path: string
  signed: boolean
  /** Any of these is enough. */
  security: Record<string, string[]>[]
  parameters: Parameter[]
  /** By name, as JSON text. */
  bodies: [name: string, text: string][]
  /** By status. */
  responses: Map<number, Response>
  /** The codes of all problem documents that it may respond with. */
  codes: { status: number; code: string }[]
}

const PROBLEM_TYPE = 'application/problem+json'

/** An OpenAPI document as its own judge: what it says of each operation, and whether something is as it says. */
export class ApiDocument {
  readonly operations: DescribedOperation[]
  /** What the service sends: by type of event, the names of the headers and the examples of bodies. */
  readonly webhooks: { type: string; headers: string[]; examples: unknown[] }[]
  readonly #json: unknown
  readonly #ajv: Ajv2020
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(json: object) {
    const { paths, webhooks, components } = apiDocument.parse(json)
    this.#json = json
    this.#ajv = new Ajv2020({ strict: false, allErrors: true })
    formats.default(this.#ajv)
    this.#ajv.addSchema(json, 'openapi.json')
    this.webhooks = Object.entries(webhooks).map(([type, { post }]) => ({
      type,
      headers: post.parameters.map(
        ({ $ref }) => parameter.parse(components.parameters[$ref.split('/').at(-1) ?? '']).name,
      ),
      examples: Object.values(post.requestBody.content['application/json']?.examples ?? {}).map((one) =>
        this.resolve(one),
      ),
    }))
    this.operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, one]) => ({
        id: one.operationId,
        method: method.toUpperCase(),
        path,
        signed: one.security.length > 0,
        security: one.security,
        parameters: (one.parameters ?? []).map((each) =>
          '$ref' in each ? parameter.parse(components.parameters[each.$ref.split('/').at(-1) ?? '']) : each,
        ),
        bodies: Object.values(one.requestBody?.content ?? {}).flatMap(({ examples }) =>
          Object.entries(examples).map(([name, each]): [string, string] => [
            name,
            JSON.stringify(this.resolve(each)),
          ]),
        ),
        responses: new Map(Object.entries(one.responses).map(([status, each]) => [Number(status), each])),
        codes: Object.entries(one.responses).flatMap(([status, each]) =>
          Object.keys(each.content[PROBLEM_TYPE]?.examples ?? {}).map((code) => ({
            status: Number(status),
            code,
          })),
        ),
      })),
    )
  }

  /** Fails unless a webhook of this type may have this body. */
  assertWebhook(type: string, body: unknown): void {
    const content = ['webhooks', type, 'post', 'requestBody', 'content', 'application/json']
    this.assertValid([...content, 'schema'], body)
  }

  operation(id: string): DescribedOperation {
    const found = this.operations.find((one) => one.id === id)
    assert.ok(found, `the document has no operation ${id}`)
    return found
  }

  /** The examples of a response, by name. */
  examples(operation: DescribedOperation, status: number, type: string): Map<string, unknown> {
    const examples = operation.responses.get(status)?.content[type]?.examples ?? {}
    return new Map(Object.entries(examples).map(([name, one]) => [name, this.resolve(one)]))
  }

  /** The value of an example, which may be a reference. */
  resolve(one: { $ref: string } | { value?: unknown } | object): unknown {
    if (!('$ref' in one)) return example.parse(one).value
    return example.parse(this.#at(String(one.$ref).slice(2).split('/'))).value
  }

  /** Fails unless the value is as the schema at this place of the document says. */
  assertValid(place: readonly string[], value: unknown): void {
    const pointer = place.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
    const $ref = `openapi.json#/${pointer.join('/')}`
    const validate = this.#validators.get($ref) ?? this.#ajv.compile({ $ref })
    this.#validators.set($ref, validate)
    assert.ok(validate(value), `${JSON.stringify(value)}: ${this.#ajv.errorsText(validate.errors)}`)
  }

  /** Fails unless an operation may respond like this: status, media type, body, and the headers it describes. */
  assertResponse(operation: DescribedOperation, status: number, headers: Headers, text: string): void {
    const said = `${operation.id} returned ${status} ${text.slice(0, 300)}`
    const described = operation.responses.get(status)
    assert.ok(described, `${said}: not described`)
    const [type = ''] = (headers.get('Content-Type') ?? '').split(';')
    assert.ok(described.content[type] !== undefined, `${said}: ${type} is not described`)
    const at = ['paths', operation.path, operation.method.toLowerCase(), 'responses', String(status)]
    this.assertValid([...at, 'content', type, 'schema'], type.endsWith('json') ? JSON.parse(text) : text)
    for (const name of headers.keys()) {
      const known = Object.keys(described.headers).find((one) => one.toLowerCase() === name)
      assert.ok(
        known !== undefined || USUAL_HEADERS.has(name),
        `${said}: the header ${name} is not described`,
      )
    }
    assert.ok(headers.has('X-Request-Id'), said)
  }

  #at(path: readonly string[]): object {
    let found: unknown = this.#json
    for (const name of path) {
      assert.ok(typeof found === 'object' && found !== null && name in found, path.join('/'))
      found = Object.entries(found).find(([own]) => own === name)?.[1]
    }
    assert.ok(typeof found === 'object' && found !== null, path.join('/'))
    return found
  }
}

/** What HTTP itself brings, and what concerns browsers and caches only. */
const USUAL_HEADERS = new Set([
  'access-control-allow-origin',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-security-policy',
  'content-type',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'date',
  'keep-alive',
  'permissions-policy',
  'referrer-policy',
  'transfer-encoding',
  'vary',
  'x-content-type-options',
])
