-- Evaluates n limits for one request: uses one of each limit, or none at all. Implements the same as algorithms.ts.
--
-- KEYS[i]              state of limit i; all have the same hash tag
-- ARGV[1]              'take', or 'peek' to use none
-- ARGV[4i-2 .. 4i+1]   limit i: algorithm, quota, window in ms, burst
-- ARGV[4n+2]           the time in Unix ms, with up to three decimals (tests); '' for the clock of Redis
--
-- Returns a flat list with four values for each limit: 'allowed' or 'refused', remaining (after this use, if it was
-- taken), whole ms until remaining grows, and that time in Unix ms. One of each is taken if none is 'refused'.
--
-- State: sliding-window  LIST of admission times, newest first, in whole microseconds (Redis stores each in 10 bytes)
--        token-bucket    'credit at': credit is tokens x window; ms
--        fixed-window    'used start': start in ms
-- Each key expires when its state equals that of a missing key.

local call = redis.call
-- Redis reads the clock for expiry before TIME. The slack prevents that state expires before its window ends.
local SLACK_MS = 1000

-- The time of the current call: ms, and whole microseconds as text.
local now, now_text

local function pair(key)
  local text = call('GET', key)
  if not text then return nil end
  local first, second = string.match(text, '^(%S+) (%S+)$')
  return tonumber(first), tonumber(second)
end

-- %.17g preserves a double exactly.
local function keep_pair(key, first, second, ...)
  call('SET', key, string.format('%.17g %.17g', first, second), ...)
end

local function ttl(ms) return string.format('%d', math.ceil(ms) + SLACK_MS) end

local sliding = {}

-- The time of an admission in ms: the k-th newest (from 0) or, for negative k, the -k-th oldest.
-- A list can expire within a script: before Redis 7.0 PEXPIRE uses the current clock, while expiry uses the time at which
-- the script began, so a clock that steps back in between can expire the list. A missing admission counts as admitted now.
local function admission(limit, k)
  local us = call('LINDEX', limit.key, k)
  return us and us / 1000 or now
end

local function has_left(limit, admitted) return admitted + limit.window - now <= 0 end

-- How many admissions have left the window; at least one has. Doubling steps, then binary search, so that a long list
-- costs few commands.
local function expired(limit)
  local gone, step = 1, 2
  while step <= limit.count and has_left(limit, admission(limit, -step)) do gone, step = step, step * 2 end
  local stays = math.min(step, limit.count + 1)
  while stays - gone > 1 do
    local middle = math.floor((gone + stays) / 2)
    if has_left(limit, admission(limit, -middle)) then gone = middle else stays = middle end
  end
  return gone
end

function sliding.settle(limit)
  limit.count = call('LLEN', limit.key)
  if limit.count == 0 then return end
  local future = 0
  while future < limit.count and admission(limit, future) > now do future = future + 1 end
  if future > 0 then
    call('LTRIM', limit.key, future, -1)
    for _ = 1, future do call('LPUSH', limit.key, now_text) end
    call('PEXPIRE', limit.key, ttl(limit.window))
  end
  limit.oldest = admission(limit, -1)
  if not has_left(limit, limit.oldest) then return end
  local gone = expired(limit)
  call('LTRIM', limit.key, 0, -gone - 1)
  limit.count = limit.count - gone
  if limit.count > 0 then limit.oldest = admission(limit, -1) end
end

function sliding.standing(limit)
  if limit.count == 0 then return limit.quota, 0 end
  -- With a quota that was lowered meanwhile, more than one must leave before one is free.
  local over = limit.count - limit.quota
  local next = over > 0 and admission(limit, -1 - over) or limit.oldest
  return math.max(0, -over), math.ceil(next + limit.window - now)
end

function sliding.take(limit)
  if limit.count == 0 then limit.oldest = now end
  limit.count = call('LPUSH', limit.key, now_text)
  if limit.expires then return end
  call('PEXPIRE', limit.key, ttl(limit.window))
  limit.expires = true
end

local bucket = {}

function bucket.settle(limit)
  local full = limit.burst * limit.window
  local credit, at = pair(limit.key)
  if credit and at > now then
    at = now
    keep_pair(limit.key, credit, at, 'KEEPTTL')
  end
  limit.credit = credit and math.min(full, credit + (now - at) * limit.quota) or full
end

function bucket.standing(limit)
  local remaining = math.floor(limit.credit / limit.window)
  if remaining >= limit.burst then return remaining, 0 end
  return remaining, math.ceil(((remaining + 1) * limit.window - limit.credit) / limit.quota)
end

function bucket.take(limit)
  limit.credit = limit.credit - limit.window
  local until_full = (limit.burst * limit.window - limit.credit) / limit.quota
  keep_pair(limit.key, limit.credit, now, 'PX', ttl(until_full))
end

local fixed = {}

function fixed.settle(limit)
  local current = math.floor(now / limit.window) * limit.window
  local used, start = pair(limit.key)
  if not used or start < current then used, start = 0, current end
  if start > current + limit.window then
    start = current + limit.window
    keep_pair(limit.key, used, start, 'KEEPTTL')
  end
  limit.used, limit.start = used, start
end

function fixed.standing(limit)
  return math.max(0, limit.quota - limit.used), math.ceil(limit.start + limit.window - now)
end

function fixed.take(limit)
  limit.used = limit.used + 1
  keep_pair(limit.key, limit.used, limit.start, 'PX', ttl(limit.start + limit.window - now))
end

local algorithms = { ['sliding-window'] = sliding, ['token-bucket'] = bucket, ['fixed-window'] = fixed }

-- Settled states by key: the calls of one batch often evaluate the same limit at the same time.
local settled = {}

local function settle(key, algorithm, quota, window, burst)
  local limit = settled[key]
  if limit and limit.now == now and limit.quota == quota and limit.burst == burst then return limit end
  limit = {key = key, algorithm = algorithms[algorithm], quota = quota, window = window, burst = burst, now = now}
  limit.algorithm.settle(limit)
  limit.remaining, limit.wait = limit.algorithm.standing(limit)
  settled[key] = limit
  return limit
end

return function(KEYS, ARGV)
  local given = ARGV[4 * #KEYS + 2]
  local us = given == '' and now_us() or math.floor(given * 1000 + 0.5)
  if now ~= us / 1000 then now, now_text = us / 1000, string.format('%.0f', us) end

  local limits, refused = {}, false
  for i, key in ipairs(KEYS) do
    local first = 4 * i - 2
    local limit = settle(key, ARGV[first], tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3]))
    limit.word = limit.remaining > 0 and 'allowed' or 'refused'
    refused = refused or limit.remaining <= 0
    limits[i] = limit
  end

  local response = {}
  for _, limit in ipairs(limits) do
    if ARGV[1] == 'take' and not refused then
      limit.algorithm.take(limit)
      limit.remaining, limit.wait = limit.algorithm.standing(limit)
    end
    response[#response + 1] = limit.word
    response[#response + 1] = limit.remaining
    response[#response + 1] = limit.wait
    response[#response + 1] = math.ceil(now + limit.wait)
  end
  return response
end
