-- answer: what is replayed, for an operator. Changes nothing.
-- KEYS[1]  the record
-- answers  {status, headers (JSON object), body} | {} (it is not completed, or not there)
local r = redis.call('HMGET', KEYS[1], 'state', 'status', 'headers', 'body')
if r[1] ~= 'completed' then return {} end
return {r[2], r[3], r[4]}
