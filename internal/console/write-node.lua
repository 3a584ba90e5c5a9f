-- write-node: what a process reports of itself, in place of its last report. Forgets those that have been silent.
-- KEYS[1]  when each process was seen, Unix ms; KEYS[2] its report
-- ARGV     id of the process, its report
-- returns  'written'
local KEPT_MS = 600000

return function(KEYS, ARGV)
  local now = now_ms()
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now))
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]) < now - KEPT_MS then
      redis.call('HDEL', KEYS[1], all[i])
      redis.call('HDEL', KEYS[2], all[i])
    end
  end
  redis.call('PEXPIRE', KEYS[1], KEPT_MS)
  redis.call('PEXPIRE', KEYS[2], KEPT_MS)
  return 'written'
end
