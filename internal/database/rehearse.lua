-- Runs the commands of the scripts of an order and its limits on a separate key, and deletes it. For readiness and
-- "oncekey doctor".
-- KEYS[1]  a key that nothing else uses
-- Returns  'ready'
return function(KEYS, ARGV)
  local key, now = KEYS[1], now_ms()
  -- A rehearsal that failed in the middle has left the key.
  if redis.call('TYPE', key).ok ~= 'none' then redis.call('DEL', key) end
  -- HSET first: Redis refuses only the first write of a script when it is out of memory.
  redis.call('HSET', key, 'now', now)
  redis.call('HSETNX', key, 'since', now)
  redis.call('HMGET', key, 'now', 'since')
  redis.call('PERSIST', key)
  redis.call('PEXPIRE', key, 1000)
  redis.call('SET', key, cmsgpack.pack(now), 'PX', 1000)
  redis.call('GET', key)
  redis.call('PTTL', key)
  redis.call('DEL', key)
  redis.call('LPUSH', key, now)
  redis.call('PEXPIRE', key, 1000)
  redis.call('LINDEX', key, -1)
  redis.call('LLEN', key)
  redis.call('LTRIM', key, 0, 0)
  redis.call('DEL', key)
  return 'ready'
end
