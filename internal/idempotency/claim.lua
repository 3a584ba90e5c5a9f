-- claim: takes the key, or tells what stands in the way. One atomic step.
-- KEYS[1]  the record
-- ARGV     fingerprint, token, lease in ms, time to live of the record in ms
-- answers  {'acquired', attempt} | {'replay', status, headers, body} | {'mismatch'}
--          | {'in_progress', ms until the lease ends} | {'unknown'}
local fingerprint, token, lease, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function hold(attempt)
  redis.call('HSET', KEYS[1], 'fingerprint', fingerprint, 'state', 'in_progress', 'token', token,
    'attempt', attempt, 'lease_until', now + lease)
  redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease))
  return {'acquired', attempt}
end

local r = redis.call('HMGET', KEYS[1], 'fingerprint', 'state', 'token', 'attempt', 'lease_until')
if not r[1] then return hold(1) end
if r[1] ~= fingerprint then return {'mismatch'} end
if r[2] == 'completed' then
  local answer = redis.call('HMGET', KEYS[1], 'status', 'headers', 'body')
  return {'replay', answer[1], answer[2], answer[3]}
end
if r[2] == 'unknown' then return {'unknown'} end
-- The same claim asked again: its first answer was lost on the way.
if r[3] == token then return {'acquired', tonumber(r[4])} end
local left = tonumber(r[5]) - now
if left > 0 then return {'in_progress', left} end
return hold(tonumber(r[4]) + 1)
