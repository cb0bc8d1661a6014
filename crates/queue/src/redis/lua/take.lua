-- ARGV: owner, group, mode, places, lease, take back, known, retain, ttl, process, ended, server
-- `ended`: how many are taken without a place of those that were started and whose lease ended. They do not run again.
-- `process` differs for each start of the program: with it a worker knows what an earlier one of its name had.
-- `server` differs for each server, and each start of one; empty where the user cannot ask for it.
-- Answers: 'ok', wait from (stream), wait from (wake), paused, gap, more, messages, taken back, server; or 'mode', the
-- other one.
local owner, g, mode = ARGV[1], ARGV[2], ARGV[3]
local places, lease, take_back, known, retain = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
local U, D = P .. ':u' .. g, P .. ':d' .. g
local meta = redis.call('HMGET', M, 'mode', 'beat', 'steady', 'paused', 'c' .. g, 'q' .. g, 'seq', 'trimmed', 'lease',
  'server', 'settle', 'settle_to')
local beat = tonumber(meta[2] or '0')
if meta[1] and meta[1] ~= mode and now - beat < 60000 and now >= beat then return { 'mode', meta[1] } end
-- Leases end for others only when somebody has been served for a whole lease without a pause: the clock goes on while Redis
-- is stopped, and it can be set.
local steady = tonumber(meta[3] or '0')
-- A replica took over, or this is another start: what workers said last can be missing. They say it again within a
-- moment; until then what was there before is not new for anybody.
local settle, settle_to = tonumber(meta[11] or '0'), meta[12] or '0-0'
if settle - now > 10000 then settle = 0 end
local replaced = ARGV[12] ~= '' and meta[10] ~= ARGV[12]
if replaced then
  if meta[10] then
    local last = redis.call('XREVRANGE', S, '+', '-', 'COUNT', 1)[1]
    settle_to = last and last[1] or '0-0'
    settle = now + math.min(math.max(tonumber(meta[9] or '0') / 2, 3000), 10000)
  end
  redis.call('HSET', M, 'server', ARGV[12], 'settle', ms(settle), 'settle_to', settle_to)
end
if now - beat > lease / 2 or now < beat or steady == 0 or replaced then
  steady = now
  redis.call('HSET', M, 'steady', ms(now))
end
redis.call('HSET', M, 'beat', ms(now), 'mode', mode, 't' .. g, ms(now))
redis.call('HSET', M, 'h:' .. owner, ms(now))
if tonumber(meta[9] or '0') < lease then redis.call('HSET', M, 'lease', ms(lease)) end

-- Forgets what was seen: everything is looked at again, from the beginning and in its order. Markers know who has what.
local function forget_seen()
  redis.call('DEL', U, D)
  for lane = 0, 15 do redis.call('DEL', P .. ':l' .. g .. ':' .. lane) end
end

local cursor = meta[5]
if not cursor then
  cursor = '0-0'
  forget_seen()
  if mode == 'every' and known ~= '1' then
    local last = redis.call('XREVRANGE', S, '+', '-', 'COUNT', 1)[1]
    if last then cursor = last[1] end
    meta[6] = meta[7] or '0'
  else
    meta[6] = ''
  end
  redis.call('HSET', M, 'c' .. g, cursor, 'q' .. g, meta[6])
end
local number_seen = tonumber(meta[6] or '')
if mode == 'every' then
  if tonumber(retain) then redis.call('HSET', M, 'retain', retain) end
  if now - tonumber(meta[8] or '0') > 1000 then
    redis.call('HSET', M, 'trimmed', ms(now))
    trim(false)
  end
end
local wakes = redis.call('XREVRANGE', P .. ':w', '+', '-', 'COUNT', 1)[1]
local wake_id = wakes and wakes[1] or '0-0'
if meta[4] == '1' then return { 'ok', '', wake_id, 1, 0, 0, {}, 0, ARGV[12] } end

local taken, held, bytes = {}, {}, 0
local ENOUGH = 4194304 -- bytes of one answer
local function names(list)
  local result = {}
  for i, name in ipairs(list) do result[i] = name .. g end
  return result
end
local MARKER = names({ 'o', 'n', 'u', 'l', 'd', 'f', 'x', 's', 'si', 'ss', 'sn', 'a', 'as', 'i' })
local function marker(job)
  local m = redis.call('HMGET', job, 'e', 'd', 'w', unpack(MARKER))
  return { e = m[1], due0 = m[2], o = m[4], n = m[5], u = tonumber(m[6] or '0'), l = tonumber(m[7] or '0'), d = m[8],
    over = m[9] or m[10] or m[3], s = m[11], si = m[12], ss = m[13], sn = m[14], a = m[15], as = m[16], i = m[17] }
end

-- Nobody may have said yet that it has this.
local function is_settling(eid) return now < settle and not is_after(eid, settle_to) end

local function deliver(eid, id, f, job, m)
  local n = tonumber(m.n or '0') + 1
  redis.call('HSET', job, 'n' .. g, n, 'o' .. g, owner, 'u' .. g, ms(now + lease), 'l' .. g, ms(lease), 'i' .. g,
    ARGV[10], 'e', eid)
  if not m.e then
    redis.call('HSET', job, 'ttl', ARGV[9])
    redis.call('PEXPIRE', job, MONTH)
  end
  held[#held + 1] = ms(now + lease)
  held[#held + 1] = eid
  -- What waited when a server took over may have run: who says so too late is not heard.
  local waited = settle_to ~= '0-0' and not is_after(eid, settle_to) and 1 or 0
  taken[#taken + 1] = { eid, id, f.m or '', f.g or '', f.k or '', n, m.s or '', m.si or '', m.ss or '', m.a or '',
    m.as or '', m.sn or '', waited }
  places = places - 1
  bytes = bytes + #(f.m or '')
  if bytes > ENOUGH then places = 0 end
end

-- An entry that was seen before: whose lease ended, or whose time has come.
local function again(eid)
  local entry = entry_at(eid)
  if not entry then return vanished(g, eid) end
  local f = fields(entry)
  local id = id_of(eid, f)
  local job = job_key(id)
  local m = marker(job)
  if m.over then
    leave(g, f.k or '', eid)
    if g == '' then redis.call('XDEL', S, eid) end
    return
  end
  local has_owner = m.o and m.o ~= ''
  local back = take_back == '1' and m.o == owner and m.i ~= ARGV[10]
  if has_owner and not back then
    if m.u > now then
      redis.call('ZREM', D, eid)
      redis.call('ZADD', U, ms(m.u), eid)
      return
    end
    if now - steady < m.l then return end
  end
  if is_settling(eid) then
    redis.call('ZREM', U, eid)
    redis.call('ZADD', D, ms(settle), eid)
    return
  end
  if has_owner then redis.call('HINCRBY', M, 'redelivered', 1) end
  redis.call('ZREM', D, eid)
  deliver(eid, id, f, job, m)
end

local taken_back = 0
if take_back == '1' then
  for _, eid in ipairs(redis.call('ZRANGE', U, 0, 999)) do
    local entry = entry_at(eid)
    if entry then
      local found = redis.call('HMGET', job_key(id_of(eid, fields(entry))), 'o' .. g, 'i' .. g)
      if found[1] == owner and found[2] ~= ARGV[10] then
        taken_back = taken_back + 1
        if places > 0 then again(eid) end
      end
    end
  end
end
if places > 0 then
  for _, eid in ipairs(redis.call('ZRANGEBYSCORE', U, '-inf', ms(now), 'LIMIT', 0, 256)) do
    if places > 0 then again(eid) end
  end
end
if places > 0 then
  for _, eid in ipairs(redis.call('ZRANGEBYSCORE', D, '-inf', ms(now), 'LIMIT', 0, 256)) do
    if places > 0 then again(eid) end
  end
end

local ended = tonumber(ARGV[11])
if places == 0 and ended > 0 then
  for _, eid in ipairs(redis.call('ZRANGEBYSCORE', U, '-inf', ms(now), 'LIMIT', 0, 256)) do
    local entry = #taken < ended and entry_at(eid)
    local info = entry and redis.call('HGET', job_key(id_of(eid, fields(entry))), 'si' .. g)
    if info and info ~= '' then
      places = 1
      again(eid)
      places = 0
    end
  end
end

-- An entry that was not seen before.
local function first_time(eid, f)
  local id = id_of(eid, f)
  local job = job_key(id)
  local m = marker(job)
  if m.over or (m.e and m.e ~= eid and entry_at(m.e)) then
    -- Ended, or a copy of one that is there.
    if g == '' then redis.call('XDEL', S, eid) end
    return
  end
  if f.k then
    local key = P .. ':l' .. g .. ':' .. f.k
    redis.call('RPUSH', key, eid)
    if redis.call('LINDEX', key, 0) ~= eid then
      redis.call('ZADD', D, BEHIND, eid)
      return
    end
  end
  local due = tonumber(m.d or m.due0 or '0')
  if is_settling(eid) then due = math.max(due, settle) end
  if m.o and m.o ~= '' and m.u > now then
    redis.call('ZADD', U, ms(m.u), eid)
  elseif m.o and m.o ~= '' and now - steady < m.l then
    redis.call('ZADD', U, ms(math.min(m.u, now)), eid)
  elseif due > now then
    redis.call('ZADD', D, ms(due), eid)
  else
    deliver(eid, id, f, job, m)
  end
end

-- The messages that were deleted before this node saw them.
local function gap_before(number)
  if mode ~= 'every' or not number then return 0 end
  local missed = number_seen and number - number_seen - 1 or 0
  number_seen = number
  return math.max(missed, 0)
end

local function all_was_seen(length)
  if mode == 'every' then
    local last = redis.call('XREVRANGE', S, '+', '-', 'COUNT', 1)[1]
    return not last or not is_after(cursor, last[1])
  end
  return length <= redis.call('ZCARD', U) + redis.call('ZCARD', D)
end

local gap, scanned, at_end, more = 0, 0, false, 0
local room = mode ~= 'every' or redis.call('ZCARD', D) < 1000
while places > 0 and scanned < 256 and room and not at_end do
  local batch = redis.call('XRANGE', S, '(' .. cursor, '+', 'COUNT', math.min(places, 16))
  for _, entry in ipairs(batch) do
    local f = fields(entry)
    cursor = entry[1]
    gap = gap + gap_before(tonumber(f.q))
    first_time(entry[1], f)
    scanned = scanned + 1
  end
  at_end = #batch == 0
end
if #held > 0 then redis.call('ZADD', U, unpack(held)) end
if at_end then
  local length = redis.call('XLEN', S)
  if length == 0 then
    if mode == 'every' and meta[7] then
      gap = gap + gap_before(tonumber(meta[7]) + 1)
      number_seen = tonumber(meta[7])
    end
    if redis.call('ZCARD', U) + redis.call('ZCARD', D) > 0 then forget_seen() end
  elseif cursor ~= '0-0' and not all_was_seen(length) then
    -- Keys were deleted by somebody, or the clock was set back.
    forget_seen()
    cursor, number_seen, gap, more = '0-0', nil, 0, 1
  end
elseif places > 0 and room then
  more = 1
end
redis.call('HSET', M, 'c' .. g, cursor, 'q' .. g, number_seen and ms(number_seen) or '')
return { 'ok', room and cursor or '', wake_id, 0, gap, more, taken, taken_back, ARGV[12] }
