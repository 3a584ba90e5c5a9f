import { PROBLEM_TEXTS } from '../core/problem-texts.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { PROBLEMS, type ProblemCode, ServiceError } from '../core/service-error.ts'
import { checkLists } from '../http/guard.ts'
import { OWN_AND_DATA, setPageHeaders } from '../http/page-headers.ts'

interface Entry {
  code: ProblemCode
  status: number
  title: string
  retryable?: boolean
  retry: 'as it is' | 'corrected' | 'never'
  meaning: string
  remedy: string
}

/** By status, then as in the table. */
const ENTRIES: readonly Entry[] = Object.keys(PROBLEM_TEXTS)
  .filter((code): code is ProblemCode => code in PROBLEMS)
  .map((code) => {
    const { retry, meaning, remedy } = PROBLEM_TEXTS[code]
    return { code, ...PROBLEMS[code], retry, meaning, remedy }
  })
  .sort((a, b) => a.status - b.status)

/** `GET /problems`: the error catalogue, as HTML to who prefers that, else as `{"problems":[…]}`. */
export function problemsPage(): Middleware {
  return async function problemsPage(ctx) {
    response(ctx, { problems: ENTRIES }, () => html('Errors', INTRODUCTION, ENTRIES))
  }
}

/** `GET /problems/:code`: what the `type` of a problem document points to. */
export function problemPage(): Middleware {
  return async function problemPage(ctx) {
    const code = ctx.path.slice(ctx.path.lastIndexOf('/') + 1)
    const entry = ENTRIES.find((one) => one.code === code)
    if (entry === undefined) throw new ServiceError('not_found', 'There is no problem of this name.')
    response(ctx, entry, () => html(entry.code, '<p><a href="/problems">All errors</a></p>', [entry]))
  }
}

function response(ctx: MiddlewareContext, json: object, render: () => string): void {
  checkLists(ctx.req)
  setPageHeaders(ctx, OWN_AND_DATA)
  ctx.vary('Accept')
  if (ctx.accepts('application/json', 'text/html') !== 'text/html') {
    ctx.body = json
    return
  }
  ctx.set('Content-Type', 'text/html; charset=utf-8')
  ctx.body = render()
}

const INTRODUCTION = `<p>Every error is a problem document
(<a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>). Go by its <code>code</code>; the texts may change.
A retry with the same key never does anything twice.</p>`

const RETRY = {
  'as it is': 'Yes, with the same key',
  corrected: 'After correcting it',
  never: 'No',
} as const

function html(title: string, introduction: string, entries: readonly Entry[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · oncekey</title>
<link rel="icon" href="/docs/icon.svg">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<header class="top"><a class="brand" href="/docs">oncekey</a>
<nav><a href="/docs">API</a> <a href="/problems">Errors</a> <a href="/openapi.json">OpenAPI</a></nav></header>
<main>
<h1>${escaped(title)}</h1>
${introduction}
${entries.map(article).join('\n')}
</main>
</body>
</html>
`
}

function article({ code, status, title, retry, meaning, remedy }: Entry): string {
  return `<article id="${code}" class="problem">
<h2><span class="status">${status}</span> <a href="/problems/${code}"><code>${code}</code></a></h2>
<p class="title">${escaped(title)}</p>
<dl>
<dt>Means</dt><dd>${escaped(meaning)}</dd>
<dt>Do</dt><dd>${escaped(remedy)}</dd>
<dt>Retry</dt><dd>${RETRY[retry]}</dd>
</dl>
</article>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
