import { z } from 'zod'
import { PROBLEMS, type ProblemCode } from '../service-error.ts'
import type { Answer, Content, Header, Operation, Parameter, Route, StageApi } from './describe.ts'
import {
  problemContent,
  problemDescription,
  problemExamples,
  problemSchema,
  saysWhenToRetry,
} from './problem-answers.ts'

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
export function openApiDocument(info: ApiInfo, routes: readonly Route[]): Json {
  const stages = [...new Set(routes.flatMap((route) => route.stages))]
  const rooms = [...new Set(routes.map((route) => route.room))]
  const schemas = jsonSchemas({
    ...Object.assign({}, ...rooms.map((room) => room.schemas)),
    Problem: problemSchema,
  })
  const headers: Record<string, Header> = Object.assign(
    { 'Retry-After': RETRY_AFTER },
    ...stages.map((stage) => stage.headers),
  )
  const used = new Set(routes.flatMap((route) => codesOf(route).map(({ code }) => code)))
  return {
    openapi: '3.1.1',
    info,
    servers: [{ url: '/', description: 'The service that gave this document' }],
    tags: rooms.map((room) => room.tag),
    paths: paths(routes),
    components: {
      schemas,
      parameters: mapValues(Object.assign({}, ...stages.map((stage) => stage.parameters)), parameter),
      headers: mapValues(headers, header),
      examples: Object.fromEntries(
        Object.entries(problemExamples()).filter(([code]) => [...used].some((one) => one === code)),
      ),
      securitySchemes: Object.assign({}, ...stages.map((stage) => stage.securitySchemes)),
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

function paths(routes: readonly Route[]): Record<string, Json> {
  const all: Record<string, Json> = {}
  for (const route of routes) {
    const { path, method } = route.operation
    all[path] = { ...all[path], [method]: operation(route) }
  }
  return all
}

function operation(route: Route): Json {
  const { room, operation: own, stages } = route
  const references = stages.flatMap((stage) => Object.keys(stage.parameters ?? {}))
  const parameters = [
    ...references.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ...Object.values(own.parameters ?? {}).map(parameter),
  ]
  const security = stages.flatMap((stage) => [...(stage.security?.(own) ?? [])])
  return {
    operationId: own.id,
    tags: [room.tag.name],
    summary: own.summary,
    description: own.description,
    security: security.map((names) => Object.fromEntries(names.map((name) => [name, []]))),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(own.body === undefined ? {} : { requestBody: requestBody(own.body) }),
    responses: responses(route),
  }
}

function requestBody(body: NonNullable<Operation['body']>): Json {
  return {
    description: body.description,
    required: body.optional !== true,
    content: { 'application/json': content(body) },
  }
}

function responses(route: Route): Record<string, Json> {
  const codes = codesOf(route)
  const { answers } = route.operation
  const statuses = new Set([...Object.keys(answers).map(Number), ...codes.map(({ status }) => status)])
  return Object.fromEntries(
    [...statuses]
      .sort((a, b) => a - b)
      .map((status) => {
        const problems = codes.filter((one) => one.status === status)
        return [String(status), response(route, status, answers[status], problems)]
      }),
  )
}

function response(
  route: Route,
  status: number,
  answer: Answer | undefined,
  problems: readonly Placed[],
): Json {
  const codes = problems.map(({ code }) => code)
  // An answer has passed all stages, a problem those up to the one that it comes from.
  const passed = answer === undefined ? Math.max(...problems.map(({ stage }) => stage)) : route.stages.length
  const shared = route.stages
    .slice(0, passed + 1)
    .flatMap((stage) => Object.entries(stage.headers ?? {}))
    .filter(([, { on }]) => on === undefined || on(status))
    .map(([name]) => name)
  if (codes.some(saysWhenToRetry)) shared.push('Retry-After')
  return {
    description: [answer?.description, problemDescription(codes)].filter(Boolean).join('\n\n'),
    headers: {
      ...Object.fromEntries(shared.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
      ...mapValues(answer?.headers ?? {}, header),
    },
    content: {
      ...mapValues(answer?.content ?? {}, content),
      ...(codes.length === 0 ? {} : problemContent(status, codes)),
    },
    ...(answer?.links === undefined ? {} : { links: answer.links }),
  }
}

interface Placed {
  code: ProblemCode
  status: number
  /** The last stage that may answer with it; beyond the stages: the operation itself. */
  stage: number
}

/** Every problem that the route may answer with. */
function codesOf({ operation: own, stages }: Route): Placed[] {
  const last = new Map<ProblemCode, number>()
  const all: readonly Pick<StageApi, 'problems'>[] = [...stages, own]
  all.forEach(({ problems }, stage) => {
    for (const code of problems) last.set(code, stage)
  })
  // A defect may be anywhere.
  if (last.has('internal_error')) last.set('internal_error', stages.length)
  return [...last].map(([code, stage]) => ({ code, status: PROBLEMS[code].status, stage }))
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
