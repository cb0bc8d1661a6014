-- What every script of a topic begins with.
--
-- KEYS[1] is the prefix `{herald:TOPIC}`; the keys of the topic:
--   :s            stream of messages: i id, m envelope, g signature, k lane, q number
--   :w            stream that wakes workers when a message can be had that is not new
--   :m            hash: mode, paused (with _at, _by, _sign), beat, steady, lease, seq, server, settle, settle_to, counters; for each group: c cursor, q number seen, t seen
--   :job:ID       hash, the marker; its fields end with the group: o owner, n delivery, u lease until, l lease, s starts,
--                 si ss sn start, a as an attempt, d due, f fs fn fo end, x reason; without it: b birth, e entry, r, ttl,
--                 w withdrawn
--   :u            entries that a worker has, by the end of the lease
--   :d            entries that were seen and wait, by the time from which they can be had
--   :l:N          entries of lane N that were seen, in their order; the first one holds the lane
--   :dead         stream of dead letters
--   :r:NODE       stream of ends for an origin
-- A group is the empty string for `mode: compete`, and `:NODE` for each node with `mode: every`; it follows the names
-- of :u, :d and :l and of fields. Every entry up to the cursor that a group has not finished is in its :u or :d.
local P = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local BEHIND = 9e15 -- the score of what waits behind another in its lane
local MONTH = 2592000000

local S, M = P .. ':s', P .. ':m'

local function job_key(id) return P .. ':job:' .. id end

local function ms(number) return string.format('%.0f', number) end

local function wake()
  redis.call('XADD', P .. ':w', 'MAXLEN', 1, '*', '', '')
end

local function entry_at(eid)
  if not eid or eid == '' then return nil end
  local found = redis.call('XRANGE', S, eid, eid)
  return found[1]
end

local function fields(entry)
  local f, list = {}, entry[2]
  for i = 1, #list, 2 do f[list[i]] = list[i + 1] end
  -- Anybody may have written it: a lane that is none would never be left.
  if f.k and not (string.find(f.k, '^%d%d?$') and tonumber(f.k) < 16) then f.k = nil end
  return f
end

-- The id of an entry with these fields. One that cannot be an id (see put.rs) is replaced by that of the entry.
local function id_of(eid, f)
  if f.i and #f.i <= 200 and string.find(f.i, '^["-~][ -~]*$') then return f.i end
  return '!' .. eid
end

-- Whether the id of entry a is after that of b.
local function is_after(a, b)
  local at, as = string.match(a, '^(%d+)-(%d+)$')
  local bt, bs = string.match(b, '^(%d+)-(%d+)$')
  at, as, bt, bs = tonumber(at), tonumber(as), tonumber(bt), tonumber(bs)
  return at > bt or (at == bt and as > bs)
end

-- The entry leaves its lane; the next one can be had.
local function leave_lane(g, lane, eid)
  local key = P .. ':l' .. g .. ':' .. lane
  local head = redis.call('LINDEX', key, 0)
  if head ~= eid then
    redis.call('LREM', key, 1, eid)
    return
  end
  redis.call('LPOP', key)
  local following = redis.call('LINDEX', key, 0)
  if following then
    redis.call('ZADD', P .. ':d' .. g, 0, following)
    wake()
  end
end

-- The group has finished the entry.
local function leave(g, lane, eid)
  if redis.call('ZREM', P .. ':u' .. g, eid) == 0 then redis.call('ZREM', P .. ':d' .. g, eid) end
  if lane ~= '' then leave_lane(g, lane, eid) end
end

-- An entry that is not in the stream any more. Its lane is unknown.
local function vanished(g, eid)
  leave(g, '', eid)
  for lane = 0, 15 do
    local key = P .. ':l' .. g .. ':' .. lane
    if redis.call('LINDEX', key, 0) == eid then leave_lane(g, lane, eid) end
  end
end

-- Deletes what every node has finished and what is older than `retain` (mode: every); at most 200 entries. With
-- `present`, nodes that were not seen for a minute do not count.
local function trim(present)
  local all = redis.call('HGETALL', M)
  local m = {}
  for i = 1, #all, 2 do m[all[i]] = all[i + 1] end
  local least, inclusive = nil, true
  local nodes = 0
  for name, value in pairs(m) do
    if string.sub(name, 1, 2) == 'c:' then
      local g = string.sub(name, 2)
      local seen = tonumber(m['t' .. g] or '0')
      if not present or now - seen < 60000 then
        nodes = nodes + 1
        if not least or not is_after(value, least) then least, inclusive = value, true end
        for _, kind in ipairs({ ':u', ':d' }) do
          for _, eid in ipairs(redis.call('ZRANGE', P .. kind .. g, 0, -1)) do
            if not least or not is_after(eid, least) then least, inclusive = eid, false end
          end
        end
      end
    end
  end
  local oldest = ms(now - tonumber(m.retain or ms(now))) .. '-0'
  local removed = 0
  for _, entry in ipairs(redis.call('XRANGE', S, '-', '+', 'COUNT', 200)) do
    local eid = entry[1]
    local finished = nodes > 0 and least and (is_after(least, eid) or (inclusive and least == eid))
    if not finished and is_after(eid, oldest) then break end
    local f = fields(entry)
    redis.call('XDEL', S, eid)
    removed = removed + 1
    local job = job_key(id_of(eid, f))
    local ttl = redis.call('HGET', job, 'ttl')
    redis.call('PEXPIRE', job, ttl or '3600000')
  end
  return removed
end

-- Is the statement of this owner about its delivery n believed? Answers nil, or the reply that refuses it. A marker
-- that was lost is made again by an owner that renewed it until now (adopt): nobody else can have the message.
-- `m`: owner, delivery, end, reason and birth of the marker, where they were read already.
local function refusal(job, g, owner, n, adopt, birth, eid, m)
  m = m or redis.call('HMGET', job, 'o' .. g, 'n' .. g, 'f' .. g, 'x' .. g, 'b')
  if m[1] == owner and m[2] == n then
    if m[3] or m[4] then return { 'lost', '' } end
    return nil
  end
  local known = m[5]
  local newer = tonumber(n) > tonumber(m[2] or '0')
  local unowned = not m[1] or m[1] == ''
  if adopt == '1' and newer and not unowned then
    -- A replica that took over knows an earlier delivery only, whose lease had ended.
    unowned = tonumber(redis.call('HGET', job, 'u' .. g) or '0') <= now
  end
  if adopt == '1' and unowned and newer and not m[3] and not m[4] and redis.call('HGET', job, 'w') ~= '1' then
    redis.call('HSET', job, 'o' .. g, owner, 'n' .. g, n)
    if not known then redis.call('HSET', job, 'b', birth, 'e', eid) end
    redis.call('PEXPIRE', job, MONTH)
    return nil
  end
  if not known then return { 'gone', '' } end
  return { 'lost', m[1] or '' }
end
