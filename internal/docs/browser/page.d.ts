// What the scripts of the page know of others' things. Only the compiler reads it.

interface DocumentParameter {
  $ref?: string
  examples?: unknown
  schema?: { format?: string }
}

interface DocumentResponse {
  description: string
  headers: Record<string, unknown>
  content: Record<string, unknown>
}

interface DocumentOperation {
  security?: object[]
  parameters?: DocumentParameter[]
  responses: Record<string, DocumentResponse>
}

/** As much of /openapi.json as the page looks at. */
interface ApiDocument {
  info: { description: string }
  paths: Record<string, Record<string, DocumentOperation>>
  components: {
    parameters: Record<string, DocumentParameter>
    securitySchemes: Record<string, { name?: string; description: string }>
  }
}

interface OutgoingRequest {
  url: string
  method: string
  headers: Record<string, string>
  body?: string
}

interface ShownElement {
  props: { children: unknown[] }
}

type Component = (props: object) => unknown

interface React {
  createElement(type: string | object, props: object | null, ...children: unknown[]): unknown
  useEffect(effect: () => void, dependencies: readonly unknown[]): void
}

interface KeyFieldProps {
  value: string | undefined
  onChange: (value: string) => void
  /** While the operation is only read and not tried. */
  disabled: boolean
  errors?: { size: number }
}

declare function SwaggerUIBundle(options: Record<string, unknown>): void
