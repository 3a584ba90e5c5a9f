-- claim: takes the key, or tells what stands in the way. One atomic step.
-- KEYS[1]  the record: a hash, and once it has a response a string (complete.lua)
-- ARGV     fingerprint, token, lease in ms, time to live of the record in ms
-- returns  {'acquired', attempt} | {'replay', status, headers, body}
--          | {'mismatch', fingerprint of the record, 'completed' if it has its response}
--          | {'in_progress', ms until the lease ends}
--          | {'unknown', reason or '', ms since it was dispatched or became unknown, the holder's token}
return function(KEYS, ARGV)
  local fingerprint, token, lease, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

  local kind = redis.call('TYPE', KEYS[1]).ok
  if kind == 'string' then
    local asked, _, _, _, status, headers, body = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    if asked ~= fingerprint then return {'mismatch', asked, 'completed'} end
    return {'replay', status, headers, bytes(body)}
  end

  local now = now_ms()

  local function hold(attempt)
    redis.call('HSET', KEYS[1], 'fingerprint', fingerprint, 'state', 'in_progress', 'token', token,
      'attempt', attempt, 'lease_until', now + lease, 'lease', lease)
    redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease))
    return {'acquired', attempt}
  end

  if kind == 'none' then return hold(1) end
  local r = redis.call('HMGET', KEYS[1], 'fingerprint', 'state', 'token', 'attempt', 'lease_until', 'dispatched_at',
    'lease')
  if r[1] ~= fingerprint then return {'mismatch', r[1]} end
  if r[2] == 'completed' then
    -- As the version before kept responses.
    local response = redis.call('HMGET', KEYS[1], 'status', 'headers', 'body')
    return {'replay', response[1], response[2], bytes(response[3])}
  end
  if r[2] == 'unknown' then
    local why = redis.call('HMGET', KEYS[1], 'reason', 'unknown_at')
    return {'unknown', why[1] or '', now - tonumber(r[6] or why[2] or now), r[3]}
  end
  -- The same claim asked again: its first response was lost on the way.
  if r[3] == token then return {'acquired', tonumber(r[4])} end
  local left, length = tonumber(r[5]) - now, tonumber(r[7])
  if length and left > length then
    -- The clock was put back since. A holder that is alive renews its lease.
    left = length
    redis.call('HSET', KEYS[1], 'lease_until', now + length)
  end
  if left > 0 then return {'in_progress', left} end
  -- It may have been sent: no attempt takes that over.
  if r[6] then return {'unknown', 'lease_lost', now - tonumber(r[6]), r[3]} end
  return hold(tonumber(r[4]) + 1)
end
