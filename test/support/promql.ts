import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'

export interface Selector {
  metric: string
  matchers: { label: string; operator: string; value: string }[]
}

export interface Query {
  selectors: Selector[]
  /** Of `by (...)`. */
  groupedBy: string[]
}

/** The variables of Grafana, as it fills them in. */
const VARIABLES: Record<string, string> = {
  $__rate_interval: '1m',
  $__range: '1h',
  $__auto: '1m',
  $instance: '.*',
}

export function fillIn(expression: string, own: Record<string, string> = {}): string {
  return Object.entries({ ...VARIABLES, ...own }).reduce(
    (text, [name, value]) => text.replaceAll(name, value),
    expression,
  )
}

/** What a PromQL expression asks for. Throws if it is none. */
export function parsePromql(expression: string): Query {
  const query: Query = { selectors: [], groupedBy: [] }
  const text = (node: SyntaxNode) => expression.slice(node.from, node.to)
  parser.parse(expression).iterate({
    enter({ type, node }) {
      if (type.isError) {
        throw new Error(`not PromQL at ${node.from}: ${expression.slice(node.from, node.from + 30)}`)
      }
      if (type.name === 'VectorSelector') query.selectors.push(selector(node, text))
      if (type.name === 'GroupingLabels') query.groupedBy.push(...node.getChildren('LabelName').map(text))
    },
  })
  return query
}

function selector(node: SyntaxNode, text: (node: SyntaxNode) => string): Selector {
  const name = node.getChild('Identifier')
  if (name === null) throw new Error(`a selector without a name: ${text(node)}`)
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []
  return {
    metric: text(name),
    matchers: matchers.map((matcher) => {
      const [label, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((part) => {
        const child = matcher.getChild(part)
        return child === null ? '' : text(child)
      })
      return { label: label ?? '', operator: operator ?? '', value: (value ?? '').slice(1, -1) }
    }),
  }
}

/** Whether a series with these labels is one that the selector takes. */
export function takes(matchers: Selector['matchers'], labels: Readonly<Record<string, string>>): boolean {
  return matchers.every(({ label, operator, value }) => {
    const held = labels[label] ?? ''
    const whole = () => new RegExp(`^(?:${value})$`).test(held)
    if (operator === '=') return held === value
    if (operator === '!=') return held !== value
    return operator === '=~' ? whole() : !whole()
  })
}
