-- complete: records the response, if the key is still held under the token (compare and set).
-- KEYS[1]  the record: from a hash it becomes a string, which takes a third of the memory
-- ARGV     token, time to live of the response in ms, status, headers (JSON object), body
-- returns  'completed' (now, or by the same call before) | 'lost'
return function(KEYS, ARGV)
  -- Nearly always it is a hash: what it is is asked only when it is not.
  local r = redis.pcall('HMGET', KEYS[1], 'token', 'state', 'resolved_by', 'fingerprint', 'attempt')
  if r.err then
    local _, token, _, resolved_by = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    -- A response recorded by an operator or a lookup may differ from this one.
    return token == ARGV[1] and resolved_by == '' and 'completed' or 'lost'
  end
  if r[1] ~= ARGV[1] then return 'lost' end
  if r[2] == 'completed' and not r[3] then return 'completed' end
  if r[2] ~= 'in_progress' then return 'lost' end
  -- fingerprint, token, attempt, who resolved it or '', status, headers, body
  local record = cmsgpack.pack(r[4], r[1], tonumber(r[5]), '', ARGV[3], ARGV[4], ARGV[5])
  redis.call('SET', KEYS[1], record, 'PX', ARGV[2])
  return 'completed'
end
