-- log: a page of the resolutions of a client, oldest first. Changes nothing.
-- KEYS[1]  the log of the client
-- ARGV     where to begin: '-', or '(' and the id of the last one seen; how many at most
-- returns  {{id, {'event', event, 'entry', entry}}, ...}
return function(KEYS, ARGV)
  return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
end
