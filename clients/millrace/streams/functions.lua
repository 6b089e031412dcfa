#!lua name=millrace_@VERSION@
-- What Millrace does inside Redis, each in one atomic step. functions.py replaces @VERSION@ by a hash of this
-- file, so that edges of two releases can share a Redis, each calling its own functions.

local MINUTES_PER_HOUR = 60
local MINUTES_PER_DAY = 1440
local WINDOW_MINUTES = MINUTES_PER_DAY
local KEPT_SECONDS = 49 * 3600 -- a bucket is read until the end of the day after its own
local UNIQUE_FLAG = 2          -- records.py names the same bit

-- The record with the unique flag set to our verdict, whatever the caller put there.
local function with_verdict(record, unique)
  local flags = bit.band(string.byte(record, 2), bit.bnot(UNIQUE_FLAG)) + unique * UNIQUE_FLAG
  return string.sub(record, 1, 1) .. string.char(flags) .. string.sub(record, 3)
end

-- 1 when no click of this visitor lies within the window, else 0. Buckets hold minutes of their own day, which
-- Redis packs into two bytes. Only a unique click is written down, so a duplicate never extends the window.
local function claim(seen_today, seen_yesterday, field_today, field_yesterday, minute)
  local yesterday = tonumber(redis.call('HGET', seen_yesterday, field_yesterday))
  if yesterday and minute + MINUTES_PER_DAY - yesterday <= WINDOW_MINUTES then
    return 0
  end
  if redis.call('HSETNX', seen_today, field_today, minute) == 0 then
    return 0
  end
  if redis.call('HLEN', seen_today) == 1 then
    redis.call('EXPIRE', seen_today, KEPT_SECONDS)
  end
  return 1
end

local function count(live, field)
  if redis.call('HINCRBY', live, field, 1) == 1 then
    redis.call('EXPIRE', live, KEPT_SECONDS)
  end
end

-- KEYS: click stream, seen bucket of today, seen bucket of yesterday, live counters of this hour.
-- ARGV: UTC day the keys were made for, field in today's bucket, field in yesterday's, record, '1' if human.
-- Answers {unique, entry id}; or {-1, day, hour} with Redis's own day and hour, and nothing recorded, when the
-- keys were made for another day or hour.
local function record_click(keys, args)
  local clicks, seen_today, seen_yesterday, live = keys[1], keys[2], keys[3], keys[4]
  local record, human = args[4], args[5] == '1'

  local now_minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
  local hour = math.floor(now_minute / MINUTES_PER_HOUR)
  local day = math.floor(now_minute / MINUTES_PER_DAY)
  if tonumber(args[1]) ~= day or tonumber(string.match(live, '(%d+)$')) ~= hour then
    return {-1, day, hour}
  end

  local unique = 0
  if human then
    unique = claim(seen_today, seen_yesterday, args[2], args[3], now_minute % MINUTES_PER_DAY)
  end
  local entry_id = redis.call('XADD', clicks, '*', 'r', with_verdict(record, unique))

  local minute = now_minute % MINUTES_PER_HOUR
  count(live, minute .. (human and 'h' or 'b'))
  if unique == 1 then
    count(live, minute .. 'u')
  end
  return {unique, entry_id}
end

-- KEYS: the link's key. ARGV: snapshot, seconds it is kept. Answers 1 when written, 0 when the stored one is newer.
-- Versions are compared as numbers: Lua compares strings by the server's locale.
local function publish_link(keys, args)
  local stored = redis.call('GETRANGE', keys[1], 0, 7)
  if #stored == 8 then
    local stored_high, stored_low = struct.unpack('>I4I4', stored)
    local high, low = struct.unpack('>I4I4', args[1])
    if stored_high > high or (stored_high == high and stored_low > low) then
      return 0
    end
  end
  redis.call('SET', keys[1], args[1], 'EX', args[2])
  return 1
end

redis.register_function('mr_click_@VERSION@', record_click)
redis.register_function('mr_publish_link_@VERSION@', publish_link)
