-- read-nodes: what the processes have reported of themselves. Changes nothing.
-- KEYS[1]  when each process was seen, Unix ms; KEYS[2] its report
-- ARGV     how many at most
-- returns  {id, ms since then, report, ...}, in no particular order
return function(KEYS, ARGV)
  local now, found = now_ms(), {}
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, math.min(#all, 2 * tonumber(ARGV[1])), 2 do
    found[#found + 1] = all[i]
    found[#found + 1] = string.format('%.0f', math.max(0, now - tonumber(all[i + 1])))
    found[#found + 1] = redis.call('HMGET', KEYS[2], all[i])[1] or ''
  end
  return found
end
