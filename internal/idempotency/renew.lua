-- renew: lets the lease end later (or now), if the key is still held under the token.
-- KEYS[1]  the record
-- ARGV     token, lease in ms
-- answers  'renewed' | 'lost'
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'lost' end
  local r = redis.call('HMGET', KEYS[1], 'token', 'state')
  if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end
  redis.call('HSET', KEYS[1], 'lease_until', now_ms() + tonumber(ARGV[2]))
  return 'renewed'
end
