import type Router from '@koa/router'
import { onDemand } from '../internal/http/on-demand.ts'
import type { RequestState } from '../internal/request-state.ts'
import type { Config } from './config.ts'
import { demoCredentials } from './demo-credentials.ts'

/** What describes the API. It is loaded when somebody reads it. */
export function documents(router: Router<RequestState>, config: Config): void {
  const problemPages = () => import('../internal/docs/problem-pages.ts')
  const docsPages = () => import('../internal/docs/docs-page.ts')
  // The page signs as the client for partners does.
  const signer = new URL('./client/signer.js', import.meta.url)
  const known = demoCredentials(config).map(({ what, value }) => `the ${what} is ${value}`)
  const hint = known.length === 0 ? '' : `Demo mode: ${known.join(', ')}.`
  router.get(
    '/problems',
    onDemand(async () => (await problemPages()).problemsPage()),
  )
  router.get(
    '/problems/:code',
    onDemand(async () => (await problemPages()).problemPage()),
  )
  router.get(
    '/openapi.json',
    onDemand(async () => (await import('./openapi.ts')).openApiPage(config)),
  )
  router.get(
    '/docs',
    onDemand(async () => (await docsPages()).docsPage({ hint })),
  )
  router.get(
    '/docs/:file',
    onDemand(async () => (await docsPages()).docsFile({ signer })),
  )
}
