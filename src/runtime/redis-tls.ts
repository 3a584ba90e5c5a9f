import type { RedisTls } from '../../internal/database/redis-client.ts'
import type { ConfigOf } from '../config/config.ts'

export type RedisTlsSettings = Partial<Pick<ConfigOf<'keys'>, 'redisTlsCa' | 'redisTlsCert' | 'redisTlsKey'>>

export function redisTlsOf({ redisTlsCa, redisTlsCert, redisTlsKey }: RedisTlsSettings): RedisTls {
  return { ca: redisTlsCa, cert: redisTlsCert, key: redisTlsKey }
}
