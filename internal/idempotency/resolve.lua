-- resolve: says what happened to a record whose outcome is unknown, and notes it in the client's log, in one step.
-- KEYS[1]  the record
-- KEYS[2]  the log of the client's resolutions (a stream that is never trimmed)
-- ARGV     token, event, entry (JSON object), time to live of the response in ms, who resolves it,
--          and, unless it was not executed: status, headers (JSON object), body
-- returns  'resolved' | 'changed' (it is not unknown under this token, and nothing was done)
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'changed' end
  local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'lease_until', 'dispatched_at', 'fingerprint', 'attempt')
  if r[1] ~= ARGV[1] then return 'changed' end
  if r[2] ~= 'unknown' then
    if r[2] ~= 'in_progress' or not r[4] then return 'changed' end
    if tonumber(r[3]) > now_ms() then return 'changed' end
  end
  if ARGV[6] then
    -- As complete.lua does it.
    local record = cmsgpack.pack(r[5], r[1], tonumber(r[6]), ARGV[5], ARGV[6], ARGV[7], ARGV[8])
    redis.call('SET', KEYS[1], record, 'PX', ARGV[4])
  else
    redis.call('DEL', KEYS[1])
  end
  redis.call('XADD', KEYS[2], '*', 'event', ARGV[2], 'entry', ARGV[3])
  return 'resolved'
end
