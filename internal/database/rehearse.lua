-- rehearse: what the scripts of an order and of its limits do, on a name of its own: for readiness and "oncekey doctor".
-- It takes everything back.
-- KEYS[1]  a name that nothing else uses
-- returns  'ready'
return function(KEYS, ARGV)
  local key, now = KEYS[1], now_ms()
  -- Left by one that was refused in the middle.
  if redis.call('TYPE', key).ok ~= 'none' then redis.call('DEL', key) end
  -- The first write: after another one Redis no longer refuses it for want of memory.
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
