-- response: what is replayed, for an operator. Changes nothing.
-- KEYS[1]  the record
-- returns  {status, headers (JSON object), body} | {} (it is not completed, or not there)
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then
    local _, _, _, _, status, headers, body = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    return {status, headers, bytes(body)}
  end
  local r = redis.call('HMGET', KEYS[1], 'state', 'status', 'headers', 'body')
  if r[1] ~= 'completed' then return {} end
  return {r[2], r[3], bytes(r[4])}
end
