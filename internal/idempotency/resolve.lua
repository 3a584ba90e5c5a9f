-- resolve: says what happened to a record whose outcome is unknown, and notes it in the client's log, in one step.
-- KEYS[1]  the record
-- KEYS[2]  the log of the client's resolutions (a stream that is never trimmed)
-- ARGV     token, event, entry (JSON object), time to live of the answer in ms, who resolves it,
--          and, unless nothing happened: status, headers (JSON object), body
-- answers  'resolved' | 'changed' (it is not unknown under this token, and nothing was done)
local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'lease_until', 'dispatched_at')
if r[1] ~= ARGV[1] then return 'changed' end
if r[2] ~= 'unknown' then
  if r[2] ~= 'in_progress' or not r[4] then return 'changed' end
  local time = redis.call('TIME')
  if tonumber(r[3]) > time[1] * 1000 + math.floor(time[2] / 1000) then return 'changed' end
end
if ARGV[6] then
  redis.call('HSET', KEYS[1], 'state', 'completed', 'status', ARGV[6], 'headers', ARGV[7], 'body', ARGV[8],
    'resolved_by', ARGV[5])
  redis.call('HDEL', KEYS[1], 'lease_until', 'reason', 'unknown_at')
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
redis.call('XADD', KEYS[2], '*', 'event', ARGV[2], 'entry', ARGV[3])
return 'resolved'
