#!lua name=millrace_@VERSION@
-- What Millrace does inside Redis, each in one atomic step. functions.py replaces @VERSION@ by a hash of this
-- file, so that edges of two releases can share a Redis, each calling its own functions.

local MINUTES_PER_HOUR = 60
local MINUTES_PER_DAY = 1440
local WINDOW_MINUTES = MINUTES_PER_DAY
local KEPT_SECONDS = 49 * 3600 -- a bucket is read until the end of the day after its own
local COUNTED_HOURS = 48       -- live.py names the same; what happened longer ago is not counted live
local UNIQUE_FLAG = 2          -- records.py names the same bit

-- event_records.py names the same; change both together.
local MAX_PIECES = 100
local MAX_RECORD_BYTES = 65536
local ARRAY_16 = '\220'          -- a byte; while a library loads there is no string.char

-- event_writer.py names the same.
local LAYOUT = '>I4I2I1c7'
local LAYOUT_BYTES = 14

-- Redis's own minute, hour and day, counted from 1970.
local function now()
  local minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
  return minute, math.floor(minute / MINUTES_PER_HOUR), math.floor(minute / MINUTES_PER_DAY)
end

-- Writes down that a mark was seen at that minute of the bucket's day; false when one was there already.
local function note(bucket, field, minute_of_day)
  if redis.call('HSETNX', bucket, field, minute_of_day) == 0 then
    return false
  end
  redis.call('EXPIRE', bucket, KEPT_SECONDS, 'NX')
  return true
end

-- 1 when this mark was not seen within the window, else 0. Buckets hold minutes of their own day, which Redis
-- packs into two bytes. Only the first is written down, so a duplicate never extends the window.
local function claim(seen_today, seen_yesterday, field_today, field_yesterday, minute_of_day)
  local yesterday = tonumber(redis.call('HGET', seen_yesterday, field_yesterday))
  if yesterday and minute_of_day + MINUTES_PER_DAY - yesterday <= WINDOW_MINUTES then
    return 0
  end
  return note(seen_today, field_today, minute_of_day) and 1 or 0
end

-- The hour whose counters a live hash holds is the last part of its key.
local function hour_of(live)
  return tonumber(string.match(live, '(%d+)$'))
end

-- A hash goes a good hour after the last event it may count, so none comes back with only the late ones in it.
local function expire_live(live)
  redis.call('EXPIREAT', live, (hour_of(live) + COUNTED_HOURS + 2) * 3600)
end

local function count(live, field, by)
  if redis.call('HINCRBY', live, field, by) == tonumber(by) then
    expire_live(live)
  end
end

local function is_counted(live, now_hour)
  return math.abs(now_hour - hour_of(live)) <= COUNTED_HOURS
end

-- The record with the unique flag set to our verdict, whatever the caller put there.
local function with_verdict(record, unique)
  local flags = bit.band(string.byte(record, 2), bit.bnot(UNIQUE_FLAG)) + unique * UNIQUE_FLAG
  return string.sub(record, 1, 1) .. string.char(flags) .. string.sub(record, 3)
end

-- KEYS: click stream, seen bucket of today, seen bucket of yesterday, live counters of the click's own hour.
-- ARGV: UTC day the keys were made for, field in today's bucket, field in yesterday's, record, '1' if human,
-- the click's own minute in its hour.
-- Answers {unique, entry id}; or {-1, day, hour} with Redis's own day and hour, and nothing recorded, when the
-- seen buckets were made for another day.
local function record_click(keys, args)
  local clicks, seen_today, seen_yesterday, live = keys[1], keys[2], keys[3], keys[4]
  local record, human, live_minute = args[4], args[5] == '1', args[6]
  local minute, hour, day = now()
  if tonumber(args[1]) ~= day then
    return {-1, day, hour}
  end

  local unique = 0
  if human then
    unique = claim(seen_today, seen_yesterday, args[2], args[3], minute % MINUTES_PER_DAY)
  end
  local entry_id = redis.call('XADD', clicks, '*', 'r', with_verdict(record, unique))

  if is_counted(live, hour) then
    count(live, live_minute .. (human and 'h' or 'b'), 1)
    if unique == 1 then
      count(live, live_minute .. 'u', 1)
    end
  end
  return {unique, entry_id}
end

-- Records a click that waited in a spool, by the click's own time.
-- KEYS: click stream, seen buckets of the click's own day, the day before and the day after, live counters of
-- its hour. ARGV: the click's minute counted from 1970, its fields in the three buckets, record, '1' if human.
-- Answers {unique, entry id}. The day after is asked because a later click may have been recorded meanwhile.
local function replay_click(keys, args)
  local minute_of_day, human = tonumber(args[1]) % MINUTES_PER_DAY, args[6] == '1'
  local unique = 0
  if human then
    local after = tonumber(redis.call('HGET', keys[4], args[4]))
    if not (after and after + MINUTES_PER_DAY - minute_of_day <= WINDOW_MINUTES) then
      unique = claim(keys[2], keys[3], args[2], args[3], minute_of_day)
    end
  end
  local entry_id = redis.call('XADD', keys[1], '*', 'r', with_verdict(args[5], unique))
  local _, hour = now()
  if is_counted(keys[5], hour) then
    count(keys[5], 'r', 1)
  end
  return {unique, entry_id}
end

-- KEYS: event stream, live counters of each hour that is counted. ARGV: number of records, the records, then for
-- each counter the place of its hash in KEYS, its field and by how much it grows. Answers 0, the duplicates.
local function record_events(keys, args)
  local records = tonumber(args[1])
  for place = 2, records + 1 do
    redis.call('XADD', keys[1], '*', 'r', args[place])
  end
  for place = records + 2, #args, 3 do
    count(keys[tonumber(args[place])], args[place + 1], args[place + 2])
  end
  return 0
end

-- Puts pieces together into records and appends these to the stream, in as many as number and size demand.
-- `add` takes where a piece lies in `pieces`; neighbours are copied in one go.
local function recorder(stream, head, pieces)
  local runs, number, size, first, last = {}, 0, 0, 0, -1
  local function flush()
    if number == 0 then
      return
    end
    runs[#runs + 1] = string.sub(pieces, first, last)
    local counted = ARRAY_16 .. string.char(math.floor(number / 256), number % 256)
    redis.call('XADD', stream, '*', 'r', head .. counted .. table.concat(runs))
    runs, number, size = {}, 0, 0
  end
  local function add(from, to)
    local length = to - from + 1
    if number == MAX_PIECES or #head + 3 + size + length > MAX_RECORD_BYTES then
      flush()
    end
    if number == 0 then
      first = from
    elseif from ~= last + 1 then
      runs[#runs + 1] = string.sub(pieces, first, last)
      first = from
    end
    last, number, size = to, number + 1, size + length
  end
  return add, flush
end

-- KEYS: event stream, live counters of each hour that is counted, then for each event with an id of the client's
-- its seen buckets of today and yesterday. ARGV: UTC day the buckets were made for, head of the record, number of
-- live hashes, all pieces, the layout; then the counters, of each the place of its hash in KEYS and its field.
-- The layout has 14 bytes for each event: length of its piece, number of its counter or 0, 1 when the client gave
-- an id, and the field in the buckets. Packed, because each argument costs more than what is done with it.
-- Answers {duplicates, day, hour}; or {-1, day, hour}, and nothing recorded, when it is another day in Redis.
local function record_events_once(keys, args)
  local minute, hour, day = now()
  if tonumber(args[1]) ~= day then
    return {-1, day, hour}
  end
  local minute_of_day, layout = minute % MINUTES_PER_DAY, args[5]
  local add, flush = recorder(keys[1], args[2], args[4])
  local counts, duplicates = {}, 0
  local bucket, from = tonumber(args[3]) + 2, 1
  for place = 1, #layout, LAYOUT_BYTES do
    local length, counter, named, mark = struct.unpack(LAYOUT, layout, place)
    local is_new = true
    if named == 1 then
      is_new = claim(keys[bucket], keys[bucket + 1], mark, mark, minute_of_day) == 1
      bucket = bucket + 2
    end
    if is_new then
      add(from, from + length - 1)
      counts[counter] = (counts[counter] or 0) + 1
    else
      duplicates = duplicates + 1
    end
    from = from + length
  end
  flush()
  for counter, by in pairs(counts) do
    if counter > 0 then
      count(keys[tonumber(args[4 + 2 * counter])], args[5 + 2 * counter], by)
    end
  end
  return {duplicates, day, hour}
end

-- Records events that waited in a spool. Repeats are appended too, for PostgreSQL to leave out: whether this very
-- call was executed before, nobody knows. Their ids are written down, so that what comes later is a duplicate.
-- KEYS: event stream, live hashes of the hours, one seen bucket for each id of a client's, of the day of receipt.
-- ARGV: minute of receipt counted from 1970, number of records, the records, number of live hashes, for each how
-- many events it lacks, then the fields in the buckets. Answers 0.
local function replay_events(keys, args)
  local now_minute, hour = now()
  local received = tonumber(args[1])
  local place = 3
  for _ = 1, tonumber(args[2]) do
    redis.call('XADD', keys[1], '*', 'r', args[place])
    place = place + 1
  end
  local hours = tonumber(args[place])
  for live = 2, hours + 1 do
    if is_counted(keys[live], hour) then
      count(keys[live], 'r', args[place + live - 1])
    end
  end
  if now_minute - received <= WINDOW_MINUTES then
    for bucket = hours + 2, #keys do
      note(keys[bucket], args[place + bucket - 1], received % MINUTES_PER_DAY)
    end
  end
  return 0
end

-- The generic cell rate algorithm. KEYS: the caller's state, which is the instant, in microseconds, when what it
-- sent so far is paid off. ARGV: events per second, burst, events of this call.
-- Answers {1, 0}, or {0, milliseconds after which the same call is admitted}. A call larger than the burst is
-- admitted when all before it is paid off, and then pays for all of itself.
local function admit(keys, args)
  local time = redis.call('TIME')
  local at = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local interval = 1000000 / tonumber(args[1])
  local burst, cost = tonumber(args[2]), tonumber(args[3])
  local paid_off = math.max(at, tonumber(redis.call('GET', keys[1])) or 0)
  local too_early = paid_off + (math.min(cost, burst) - burst) * interval - at
  if too_early > 0 then
    return {0, math.ceil(too_early / 1000)}
  end
  paid_off = paid_off + cost * interval
  -- Written out in full: Lua's own way with large numbers rounds them to 14 digits.
  redis.call('SET', keys[1], string.format('%.0f', paid_off), 'PX', math.ceil((paid_off - at) / 1000) + 1)
  return {1, 0}
end

-- KEYS: one live hash. ARGV: its fields and values; none leaves no hash. Answers the number of fields.
local function restate_live(keys, args)
  redis.call('DEL', keys[1])
  for place = 1, #args, 2 do
    redis.call('HSET', keys[1], args[place], args[place + 1])
  end
  if #args > 0 then
    expire_live(keys[1])
  end
  return #args / 2
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
redis.register_function('mr_replay_click_@VERSION@', replay_click)
redis.register_function('mr_events_@VERSION@', record_events)
redis.register_function('mr_events_once_@VERSION@', record_events_once)
redis.register_function('mr_replay_events_@VERSION@', replay_events)
redis.register_function('mr_rate_@VERSION@', admit)
redis.register_function('mr_restate_live_@VERSION@', restate_live)
redis.register_function('mr_publish_link_@VERSION@', publish_link)
