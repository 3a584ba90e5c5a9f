-- renew: lets the lease end later (or now), if the key is still held under the token. A record with a time to live gets
-- a new one: it must not expire while its holder works.
-- KEYS[1]  the record
-- ARGV     token, lease in ms, time to live of the record in ms
-- returns  'renewed' | 'lost'
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'lost' end
  local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'dispatched_at')
  if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end
  local lease, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
  redis.call('HSET', KEYS[1], 'lease_until', now_ms() + lease, 'lease', lease)
  if not r[3] then redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease)) end
  return 'renewed'
end
