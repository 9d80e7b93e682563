-- Takes one transcript into the view of its session. Whatever the order in which transcripts come, and however often,
-- the view that results is the same: a field keeps the newest revision or the highest time, never the last to come.
-- Returns 1 if the transcript was news, which is then published, or else 0.
--
-- KEYS: session, finals, order, partials, live sessions, live sessions of the tenant
-- ARGV: see CacheView in cache.py, which is the only caller.
local session, finals, order, partials, live, tenant_live = unpack(KEYS)
local kind, session_id, tenant, channel, segment, revision = unpack(ARGV, 1, 6)
local body, start_ms, end_ms, started_at_ms, spoken_at_ms, updated_at_ms = unpack(ARGV, 7, 12)
local ended_ttl_s, live_ttl_s, topic = unpack(ARGV, 13, 15)

local place = channel .. ':' .. segment
local settled_field = 'settled:' .. channel
local known = redis.call('HMGET', session, settled_field, 'ended_at_ms', 'state')
local settled = tonumber(known[1] or -1)
local number = tonumber(segment)
local changed, news = false, false

local function keep(field, value)
  redis.call('HSET', session, field, value)
  changed = true
end

-- Keeps the higher (sign 1) or the lower (sign -1) of the value known and the one given.
local function keep_utmost(field, value, sign)
  local before = tonumber(redis.call('HGET', session, field))
  if value ~= '' and (before == nil or sign * tonumber(value) > sign * before) then
    keep(field, value)
  end
end

local function drop_partial_up_to(settled_number)
  local shown = redis.call('HGET', partials, channel)
  if shown and cjson.decode(shown).segment <= settled_number then
    redis.call('HDEL', partials, channel)
    changed = true
  end
end

local function take_final()
  local kept = redis.call('HGET', finals, place)
  if not kept or tonumber(revision) > cjson.decode(kept).revision then
    redis.call('HSET', finals, place, body)
    redis.call('ZADD', order, start_ms, place)
    news = true
  end
  if number > settled then
    keep(settled_field, segment)
  end
  drop_partial_up_to(number)
end

local function is_newer_than_shown()
  local shown = redis.call('HGET', partials, channel)
  if not shown then
    return true
  end
  local before = cjson.decode(shown)
  return number > before.segment or (number == before.segment and tonumber(revision) > before.revision)
end

local function take_partial()
  if number > settled and is_newer_than_shown() then
    redis.call('HSET', partials, channel, body)
    news = true
  end
end

if kind == 'FINAL' then
  take_final()
  keep_utmost('spoken_at_ms', spoken_at_ms, 1)
elseif kind == 'PARTIAL' then
  take_partial()
  keep_utmost('spoken_at_ms', spoken_at_ms, 1)
else
  local before = tonumber(known[2])
  news = before == nil or tonumber(spoken_at_ms) > before
  keep_utmost('ended_at_ms', spoken_at_ms, 1)
end
keep_utmost('started_at_ms', started_at_ms, -1)
keep_utmost('duration_ms', end_ms, 1)
keep_utmost('updated_at_ms', updated_at_ms, 1)

if not (changed or news) then
  return 0
end

-- Sessions whose end never came have expired; their ids leave the lists of live ones when a new session comes.
if not known[3] then
  local oldest = tonumber(updated_at_ms) - tonumber(live_ttl_s) * 1000
  redis.call('ZREMRANGEBYSCORE', live, '-inf', '(' .. string.format('%.0f', oldest))
  redis.call('ZREMRANGEBYSCORE', tenant_live, '-inf', '(' .. string.format('%.0f', oldest))
end

-- A session that spoke after its end is live again.
local now = redis.call('HMGET', session, 'ended_at_ms', 'spoken_at_ms', 'updated_at_ms')
local ended = now[1] and tonumber(now[1]) >= tonumber(now[2] or 0)
redis.call('HSET', session, 'session_id', session_id, 'tenant', tenant, 'state', ended and 'ended' or 'live')
if ended then
  redis.call('ZREM', live, session_id)
  redis.call('ZREM', tenant_live, session_id)
else
  redis.call('ZADD', live, now[3], session_id)
  redis.call('ZADD', tenant_live, now[3], session_id)
end
for _, key in ipairs({session, finals, order, partials}) do
  redis.call('EXPIRE', key, ended and ended_ttl_s or live_ttl_s)
end
if news then
  redis.call('PUBLISH', topic, body)
  return 1
end
return 0
