-- show: what a record says, for an operator. Changes nothing.
-- KEYS[1]  the record
-- returns  {'absent'} | {'in_progress' | 'completed' | 'unknown', token, attempt, reason or '', status or '',
--          resolved by or '', ms since it was dispatched or became unknown or '', ms until the lease ends or '',
--          ms until it is forgotten or '' (never)}
return function(KEYS, ARGV)
  if redis.call('TYPE', KEYS[1]).ok == 'string' then
    local _, token, attempt, resolved_by, status = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    local left = redis.call('PTTL', KEYS[1])
    return {'completed', token, attempt, '', status, resolved_by, '', '', left >= 0 and left or ''}
  end
  local r = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempt', 'reason', 'status', 'resolved_by',
    'dispatched_at', 'unknown_at', 'lease_until')
  if not r[1] then return {'absent'} end
  local now = now_ms()
  local state, reason, since, left = r[1], r[4] or '', r[7] or r[8], ''
  if state == 'in_progress' then
    left = math.max(0, tonumber(r[9]) - now)
    if r[7] and left == 0 then
      state, reason, left = 'unknown', 'lease_lost', ''
    end
  end
  local ttl = redis.call('PTTL', KEYS[1])
  return {state, r[2], tonumber(r[3]), reason, r[5] or '', r[6] or '', since and now - tonumber(since) or '', left,
    ttl >= 0 and ttl or ''}
end
