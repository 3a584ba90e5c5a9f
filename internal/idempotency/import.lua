-- import: stores the response that another system has given for a key, unless the key has a record.
-- KEYS[1]  the record
-- ARGV     fingerprint, token, who imports it, status, headers (JSON object), body,
--          time to live in ms, when it ends in ms since 1970 or '', '1' (only look) or '0'
-- returns  'imported' | 'same' (this response is there) | 'other' (the key has another record) | 'expired'
return function(KEYS, ARGV)
  local kind = redis.call('TYPE', KEYS[1]).ok
  if kind == 'string' then
    local fingerprint, _, _, _, status, headers, body = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    local is_same = fingerprint == ARGV[1] and tostring(status) == ARGV[4] and headers == ARGV[5] and body == ARGV[6]
    return is_same and 'same' or 'other'
  end
  if kind ~= 'none' then return 'other' end
  local ttl = ARGV[8] == '' and tonumber(ARGV[7]) or tonumber(ARGV[8]) - now_ms()
  if ttl < 1 then return 'expired' end
  if ARGV[9] == '1' then return 'imported' end
  -- As complete.lua does it.
  local record = cmsgpack.pack(ARGV[1], ARGV[2], 1, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
  redis.call('SET', KEYS[1], record, 'PX', string.format('%.0f', ttl))
  return 'imported'
end
