-- release: lets go of a key that is held under the token.
-- KEYS[1]  the record
-- ARGV     token, 'not_executed' (frees the key) or 'unknown' (holds it until it is resolved), reason
-- returns  'released' | 'lost'
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'lost' end
  local r = redis.call('HMGET', KEYS[1], 'token', 'state')
  if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end
  if ARGV[2] == 'not_executed' then
    redis.call('DEL', KEYS[1])
  else
    redis.call('HSET', KEYS[1], 'state', 'unknown', 'reason', ARGV[3], 'unknown_at', now_ms())
    redis.call('PERSIST', KEYS[1])
  end
  return 'released'
end
