-- ARGV, for each message: id, envelope, signature, birth, lane, delay, max_length, ttl, reply to, again, replace
local length, next_number = redis.call('XLEN', S), nil

local function put(id, body, signature, birth, lane, delay, max_length, ttl, reply, again, replace)
  delay, max_length = tonumber(delay), tonumber(max_length)
  local job = job_key(id)
  local known = replace ~= '1' and redis.call('EXISTS', job) == 1
  if known then
    local all = redis.call('HGETALL', job)
    local m = {}
    for i = 1, #all, 2 do m[all[i]] = all[i + 1] end
    local over = m.f or m.x or m.w
    local held = m.o and m.o ~= '' and tonumber(m.u or '0') > now
    for name, _ in pairs(m) do
      if string.sub(name, 1, 2) == 'f:' or string.sub(name, 1, 2) == 'x:' then over = true end
      if string.sub(name, 1, 2) == 'u:' and tonumber(m[name]) > now then held = true end
    end
    if over or held or entry_at(m.e) then
      return { 'known', all, entry_at(m.e) and 1 or 0, ms(now) }
    end
  end
  if length >= max_length then
    local removed = redis.call('HGET', M, 'mode') == 'every' and trim(true) or 0
    if removed == 0 then return { 'full', length } end
    length = length - removed
  end
  if again == '1' then
    -- A whole one: within it, a worker that has the message and cannot reach Redis comes back and keeps it. Where no
    -- worker said anything yet, half of the usual one: each of them says something soon.
    delay = math.max(delay, tonumber(redis.call('HGET', M, 'lease') or '15000'))
  end
  -- The numbers of all messages of this call; what is not used is no gap for anybody, because it is given back.
  if not next_number then next_number = redis.call('HINCRBY', M, 'seq', #ARGV / 11) - #ARGV / 11 end
  next_number = next_number + 1
  local seq = next_number
  local eid
  if lane == '' then
    eid = redis.call('XADD', S, '*', 'i', id, 'm', body, 'g', signature, 'q', seq)
  else
    eid = redis.call('XADD', S, '*', 'i', id, 'm', body, 'g', signature, 'q', seq, 'k', lane)
  end
  if replace == '1' then redis.call('DEL', job) end
  redis.call('HSET', job, 'b', birth, 'e', eid, 'ttl', ttl)
  if reply ~= '' then redis.call('HSET', job, 'r', reply) end
  if delay > 0 then redis.call('HSET', job, 'd', ms(now + delay)) end
  redis.call('PEXPIRE', job, MONTH)
  length = length + 1
  return { 'ok', eid }
end

local answers = {}
for i = 1, #ARGV, 11 do answers[#answers + 1] = put(unpack(ARGV, i, i + 10)) end
if next_number then redis.call('HSET', M, 'seq', ms(next_number)) end
return answers
