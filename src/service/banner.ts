import { createHmac } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { DEMO_OPERATOR_TOKEN, DEMO_SECRET, demoCredentials } from '../config/demo.ts'

const BODY = '{"user_id":"user-1","item":"book","amount":500}'

/** For standard error: the log has standard output. */
export function banner(config: Config, port: number): string {
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`
  const database = config.databaseUrl === undefined ? `embedded, in ${config.dataDir}` : 'PostgreSQL'
  const stores = `database: ${database}; keys: ${config.idempotencyStore}; limits: ${
    config.redisUrl === undefined ? 'this process' : 'Redis'
  }`
  if (config.production) return `oncekey is ready on ${url} (${stores})\n`
  return `
oncekey is ready on ${url}

  DEMO MODE: for trying it out on this machine. ${demo(config)}
  ${stores}
${operator(config, url)}${config.hmacSecret === undefined ? '' : example(config.hmacSecret, url)}
`
}

function demo(config: Config): string {
  const published = demoCredentials(config).map(({ what, value }) => `The ${what} "${value}"`)
  if (published.length === 0) return 'Set NODE_ENV=production for real use.'
  const [subject, verb] = [
    published.join(' and ').replace(' and The', ' and the'),
    published.length === 1 ? 'is' : 'are',
  ]
  return `${subject} ${verb} published,\n  so only loopback can connect.`
}

/** Only the published token is shown. */
function operator({ operatorToken, metricsPort }: Config, url: string): string {
  if (operatorToken === undefined || metricsPort === 0) return ''
  const where = metricsPort === undefined ? url : url.replace(/\d+$/, String(metricsPort))
  const known = operatorToken === DEMO_OPERATOR_TOKEN ? `, operator token "${DEMO_OPERATOR_TOKEN}"` : ''
  return `  console: ${where}/console${known}\n`
}

/** v0 covers only the body, so that the command works at any time. */
function example(secret: string, url: string): string {
  if (secret !== DEMO_SECRET) return ''
  const signature = createHmac('sha256', secret).update(BODY).digest('hex')
  return `
  Place an order, then paste it again for the replay:

    curl -i ${url}/orders -H 'Content-Type: application/json' -H 'Idempotency-Key: key-001' \\
      -H 'X-Signature: ${signature}' \\
      -d '${BODY}'
`
}
