-- remove-node: a process has ended in good order.
-- KEYS[1]  when each process was seen, Unix ms; KEYS[2] its report
-- ARGV     id of the process
-- returns  'removed'
return function(KEYS, ARGV)
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 'removed'
end
