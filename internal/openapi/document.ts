import { z } from 'zod'
import { PROBLEMS, type ProblemCode } from '../core/service-error.ts'
import type {
  Content,
  DescribedRoute,
  Header,
  MiddlewareApi,
  Operation,
  Parameter,
  ResponseApi,
  WebhookApi,
} from './describe.ts'
import {
  problemContent,
  problemDescription,
  problemExamples,
  problemSchema,
  saysWhenToRetry,
} from './problem-responses.ts'

type Json = Record<string, unknown>

export interface ApiInfo {
  title: string
  version: string
  summary: string
  /** CommonMark. */
  description: string
  license: { name: string; identifier: string }
}

const RETRY_AFTER: Header = {
  description: 'Whole seconds until a retry makes sense; the same as `retry_after_ms`, rounded up.',
  schema: { type: 'integer', minimum: 1 },
  example: 1,
}

/** The OpenAPI 3.1 document of these routes. Throws an Error where a route names what is not there. */
export function openApiDocument(
  info: ApiInfo,
  routes: readonly DescribedRoute[],
  webhooks: readonly WebhookApi[],
): Json {
  const middlewares = [...new Set(routes.flatMap((route) => route.middlewares))]
  const rooms = [...new Set(routes.map((route) => route.room))]
  const schemas = jsonSchemas({
    ...Object.assign({}, ...[...rooms, ...webhooks].map((one) => one.schemas)),
    Problem: problemSchema,
  })
  const headers: Record<string, Header> = Object.assign(
    { 'Retry-After': RETRY_AFTER },
    ...middlewares.map((middleware) => middleware.headers),
  )
  const used = new Set(routes.flatMap((route) => codesOf(route).map(({ code }) => code)))
  return {
    openapi: '3.1.1',
    info,
    servers: [{ url: '/', description: 'The service that gave this document' }],
    tags: rooms.map((room) => room.tag),
    paths: paths(routes),
    webhooks: Object.fromEntries(webhooks.map((one) => [one.name, { post: webhook(one) }])),
    components: {
      schemas,
      parameters: mapValues(
        Object.assign({}, ...[...middlewares, ...webhooks].map((one) => one.parameters)),
        parameter,
      ),
      headers: mapValues(headers, header),
      examples: Object.fromEntries(
        Object.entries(problemExamples()).filter(([code]) => [...used].some((one) => one === code)),
      ),
      securitySchemes: Object.assign({}, ...middlewares.map((middleware) => middleware.securitySchemes)),
    },
  }
}

/** As OpenAPI has them: what is sent, so that a transformation shows what it takes. */
function jsonSchemas(schemas: Record<string, z.ZodType>): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id })
  const generated = z.toJSONSchema(registry, {
    io: 'input',
    uri: schemaRef,
    override({ jsonSchema }) {
      // The format says it in a word.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern
    },
  })
  return mapValues(generated.schemas, ({ $schema: _, $id: __, ...schema }) => schema)
}

function paths(routes: readonly DescribedRoute[]): Record<string, Json> {
  const all: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    const operations = all[path] ?? {}
    operations[route.method.toLowerCase()] = operation(route)
    all[path] = operations
  }
  return all
}

function operation(route: DescribedRoute): Json {
  const { id, room, operation: own, middlewares } = route
  checkParameters(route)
  const references = middlewares.flatMap((middleware) => Object.keys(middleware.parameters ?? {}))
  const parameters = [
    ...references.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ...Object.values(own.parameters ?? {}).map(parameter),
  ]
  const security = middlewares.flatMap((middleware) => [...(middleware.security?.(own) ?? [])])
  return {
    operationId: id,
    tags: [room.tag.name],
    summary: own.summary,
    description: own.description,
    security: security.map((names) => Object.fromEntries(names.map((name) => [name, []]))),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(own.body === undefined ? {} : { requestBody: requestBody(own.body) }),
    responses: describeResponses(route),
  }
}

function webhook({ id, room, summary, description, parameters, body, responses }: WebhookApi): Json {
  return {
    operationId: id,
    tags: [room.tag.name],
    summary,
    description,
    security: [],
    parameters: Object.keys(parameters).map((name) => ({ $ref: `#/components/parameters/${name}` })),
    requestBody: requestBody(body),
    responses: mapValues(responses, (text) => ({ description: text })),
  }
}

/** Throws an Error where the parameters of the route and their descriptions differ. */
function checkParameters({ id, path, query, operation: { parameters = {} } }: DescribedRoute): void {
  const described = Object.values(parameters).map((one) => `${one.in} ${one.name}`)
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => `path ${name}`)
  const known = [...inPath, ...query.map((name) => `query ${name}`)]
  if (described.sort().join() === known.sort().join()) return
  throw new Error(`${id} has the parameters ${known.join(', ')} and describes ${described.join(', ')}`)
}

function requestBody(body: NonNullable<Operation['body']>): Json {
  return {
    description: body.description,
    required: body.optional !== true,
    content: { 'application/json': content(body) },
  }
}

function describeResponses(route: DescribedRoute): Record<string, Json> {
  const codes = codesOf(route)
  const { responses } = route.operation
  const statuses = new Set([...Object.keys(responses).map(Number), ...codes.map(({ status }) => status)])
  return Object.fromEntries(
    [...statuses]
      .sort((a, b) => a - b)
      .map((status) => {
        const problems = codes.filter((one) => one.status === status)
        return [String(status), describeResponse(route, status, responses[status], problems)]
      }),
  )
}

function describeResponse(
  route: DescribedRoute,
  status: number,
  response: ResponseApi | undefined,
  problems: readonly Placed[],
): Json {
  const codes = problems.map(({ code }) => code)
  // A response has passed all middleware, a problem the middleware up to the one that it comes from.
  const passed =
    response === undefined ? Math.max(...problems.map(({ position }) => position)) : route.middlewares.length
  const shared = route.middlewares
    .slice(0, passed + 1)
    .flatMap((middleware) => Object.entries(middleware.headers ?? {}))
    .filter(([, { on }]) => on === undefined || on(status))
    .map(([name]) => name)
  if (codes.some(saysWhenToRetry)) shared.push('Retry-After')
  return {
    description: [response?.description, problemDescription(codes)].filter(Boolean).join('\n\n'),
    headers: {
      ...Object.fromEntries(shared.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
      ...mapValues(response?.headers ?? {}, header),
    },
    content: {
      ...mapValues(response?.content ?? {}, content),
      ...(codes.length === 0 ? {} : problemContent(status, codes)),
    },
    ...(response?.links === undefined ? {} : { links: response.links }),
  }
}

interface Placed {
  code: ProblemCode
  status: number
  /** Of the last middleware that may respond with it, from 0; one more: the operation itself. */
  position: number
}

/** Every problem that the route may respond with. */
function codesOf({ operation: own, middlewares }: DescribedRoute): Placed[] {
  const last = new Map<ProblemCode, number>()
  const all: readonly Pick<MiddlewareApi, 'problems'>[] = [...middlewares, own]
  all.forEach(({ problems }, position) => {
    for (const code of problems) last.set(code, position)
  })
  // A defect may be anywhere.
  if (last.has('internal_error')) last.set('internal_error', middlewares.length)
  return [...last].map(([code, position]) => ({ code, status: PROBLEMS[code].status, position }))
}

function content({ schema, examples }: Content): Json {
  return { schema: schema === undefined ? { type: 'string' } : { $ref: schemaRef(schema) }, examples }
}

function parameter({ examples, ...rest }: Parameter): Json {
  return { ...rest, examples: mapValues(examples, (value) => ({ value })) }
}

function header({ on: _, ...rest }: Header): Json {
  return rest
}

function schemaRef(name: string): string {
  return `#/components/schemas/${name}`
}

function mapValues<T, U>(from: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, change(value)]))
}
