-- complete: records the answer, if the key is still held under the token (compare and set).
-- KEYS[1]  the record
-- ARGV     token, time to live of the answer in ms, status, headers (JSON object), body
-- answers  'completed' (now, or by the same call before) | 'lost'
local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'resolved_by')
if r[1] ~= ARGV[1] then return 'lost' end
-- What somebody else found out may be another answer than this one.
if r[2] == 'completed' and not r[3] then return 'completed' end
if r[2] ~= 'in_progress' then return 'lost' end
redis.call('HSET', KEYS[1], 'state', 'completed', 'status', ARGV[3], 'headers', ARGV[4], 'body', ARGV[5])
redis.call('HDEL', KEYS[1], 'lease_until')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'completed'
