-- release: lets go of a key that is held under the token.
-- KEYS[1]  the record
-- ARGV     token, 'nothing happened' (frees the key) or 'unknown' (holds it until somebody resolves it)
-- answers  'released' | 'lost'
local r = redis.call('HMGET', KEYS[1], 'token', 'state')
if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end
if ARGV[2] == 'nothing happened' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'state', 'unknown')
end
return 'released'
