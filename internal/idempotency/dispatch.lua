-- dispatch: from now on the outcome is unknown unless it is completed or released, and the record does not expire.
-- KEYS[1]  the record
-- ARGV     token
-- returns  'dispatched' (now, or by the same call before) | 'lost'
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'lost' end
  local r = redis.call('HMGET', KEYS[1], 'token', 'state')
  if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end
  redis.call('HSETNX', KEYS[1], 'dispatched_at', now_ms())
  redis.call('PERSIST', KEYS[1])
  return 'dispatched'
end
