import type { z } from 'zod'
import type { ProblemCode } from '../service-error.ts'

/*
 * The words in which the rooms describe what they answer. A stage of the pipeline says what it adds to every route
 * behind it, a room says what its routes take and give; src/openapi.ts puts them together as src/pipeline.ts does
 * with the stages themselves.
 */

/** A JSON Schema of a header or parameter; bodies have zod schemas. */
export type JsonSchema = Readonly<Record<string, unknown>>

export interface Header {
  description: string
  schema: JsonSchema
  example: string | number
  /** On which statuses; all that a route answers from this stage on if left out. */
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

/** What a stage adds to each operation behind it. */
export interface StageApi {
  problems: readonly ProblemCode[]
  /** By their names in the document. */
  parameters?: Readonly<Record<string, Parameter>>
  /** By header name; on the answers of this stage and of all that stand behind it. */
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
  /** By name. An example of a body bears the name of the answer that it gets: an example here, or a problem's code. */
  examples: Readonly<Record<string, Example>>
}

export interface Answer {
  description: string
  /** By media type. */
  content: Readonly<Record<string, Content>>
  headers?: Readonly<Record<string, Header>>
  /** Where a client can go on from here, by name. */
  links?: Readonly<
    Record<string, { operationId: string; description: string; parameters: Record<string, string> }>
  >
}

export interface Operation {
  id: string
  method: 'get' | 'post'
  /** With `{name}` for each parameter. */
  path: string
  summary: string
  description: string
  parameters?: Readonly<Record<string, Parameter>>
  /** application/json, required unless it says otherwise. */
  body?: Content & { description: string; schema: string; optional?: true }
  /** By status; problems come from `problems` and the stages. */
  answers: Readonly<Record<number, Answer>>
  /** Of its own, beyond those of the stages before it. */
  problems: readonly ProblemCode[]
}

/** What a room answers. */
export interface RoomApi {
  tag: { name: string; description: string }
  /** By their names in the document; one that is a part of another becomes a reference. */
  schemas: Readonly<Record<string, z.ZodType>>
}

/** An operation, and the stages that a request passes before it, in their order. */
export interface Route {
  room: RoomApi
  operation: Operation
  stages: readonly StageApi[]
}
