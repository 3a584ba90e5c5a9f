import type { z } from 'zod'
import type { ProblemCode } from '../core/service-error.ts'

/*
 * How the rooms describe their responses. A middleware describes what it adds to every route behind it, a room describes
 * what its routes take and give; src/service/openapi.ts puts them together as the table of routes does with the middleware
 * themselves.
 */

/** A JSON Schema of a header or parameter; bodies have zod schemas. */
export type JsonSchema = Readonly<Record<string, unknown>>

export interface Header {
  description: string
  schema: JsonSchema
  example: string | number
  /** On which statuses; left out: on all responses of the route from this middleware on. */
  on?: (status: number) => boolean
}

export interface Parameter {
  in: 'header' | 'path' | 'query'
  name: string
  description: string
  required?: true
  schema: JsonSchema
  /** By name; each is sent to the service by a test. */
  examples: Readonly<Record<string, string | number>>
}

export type SecurityScheme =
  | { type: 'apiKey'; in: 'header'; name: string; description: string }
  | { type: 'http'; scheme: 'bearer'; description: string }

/** What a middleware adds to each operation behind it. */
export interface MiddlewareApi {
  problems: readonly ProblemCode[]
  /** By their names in the document. */
  parameters?: Readonly<Record<string, Parameter>>
  /** By header name; on the responses of this middleware and of all that stand behind it. */
  headers?: Readonly<Record<string, Header>>
  securitySchemes?: Readonly<Record<string, SecurityScheme>>
  /** What is enough for this operation: any of these, each the names of schemes that go together. */
  security?: (operation: Operation) => readonly (readonly string[])[]
}

export interface Example {
  summary: string
  value: unknown
}

export interface Content {
  /** The name of a schema of the room; none: text. */
  schema?: string
  /** By name. An example of a body bears the name of the response that it gets: an example here, or a problem's code. */
  examples: Readonly<Record<string, Example>>
}

export interface ResponseApi {
  description: string
  /** By media type. */
  content: Readonly<Record<string, Content>>
  headers?: Readonly<Record<string, Header>>
  /** Where a client can go on from here, by name. */
  links?: Readonly<
    Record<string, { operationId: string; description: string; parameters: Record<string, string> }>
  >
}

/** What a request of one kind takes and gives; its method and path stand in the table of routes. */
export interface Operation {
  summary: string
  description: string
  parameters?: Readonly<Record<string, Parameter>>
  /** application/json, required unless it says otherwise. */
  body?: Content & { description: string; schema: string; optional?: true }
  /** By status; problems come from `problems` and the middleware. */
  responses: Readonly<Record<number, ResponseApi>>
  /** Of its own, beyond those of the middleware before it. */
  problems: readonly ProblemCode[]
}

/** A response of an operation. */
export interface RoomApi {
  tag: { name: string; description: string }
  /** By their names in the document; one that is a part of another becomes a reference. */
  schemas: Readonly<Record<string, z.ZodType>>
}

/** What the service sends to a client. */
export interface WebhookApi {
  /** Of the event. */
  name: string
  id: string
  room: RoomApi
  summary: string
  description: string
  /** By their names in the document. */
  parameters: Readonly<Record<string, Parameter>>
  /** Beside those of the rooms. */
  schemas: Readonly<Record<string, z.ZodType>>
  body: Content & { description: string; schema: string }
  /** What a status of the receiver means: by status, `2XX` or `default`. */
  responses: Readonly<Record<string, string>>
}

/** An operation, and the middleware that a request passes before it, in their order. */
export interface DescribedRoute {
  id: string
  method: 'GET' | 'POST' | 'DELETE'
  /** With `:name` for each parameter. */
  path: string
  /** The query parameters that it knows; `operation` describes each. */
  query: readonly string[]
  room: RoomApi
  operation: Operation
  middlewares: readonly MiddlewareApi[]
}
