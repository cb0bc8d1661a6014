-- ARGV: id, envelope, signature, birth, lane, delay, max_length, ttl, reply to, again, replace
local id, body, signature, birth, lane = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local delay, max_length, ttl, reply, again = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10]
local job = job_key(id)
local known = ARGV[11] ~= '1' and redis.call('EXISTS', job) == 1
if known then
  local all = redis.call('HGETALL', job)
  local m = {}
  for i = 1, #all, 2 do m[all[i]] = all[i + 1] end
  local over = m.f or m.x
  local held = m.o and m.o ~= '' and tonumber(m.u or '0') > now
  for name, _ in pairs(m) do
    if string.sub(name, 1, 2) == 'f:' or string.sub(name, 1, 2) == 'x:' then over = true end
    if string.sub(name, 1, 2) == 'u:' and tonumber(m[name]) > now then held = true end
  end
  if over or held or entry_at(m.e) then
    return { 'known', all, entry_at(m.e) and 1 or 0, ms(now) }
  end
end
local length = redis.call('XLEN', S)
if length >= max_length then
  if redis.call('HGET', M, 'mode') ~= 'every' or trim(true) == 0 then return { 'full', length } end
end
if again == '1' then
  delay = math.max(delay, tonumber(redis.call('HGET', M, 'lease') or '30000') / 2)
end
local seq = redis.call('HINCRBY', M, 'seq', 1)
local eid
if lane == '' then
  eid = redis.call('XADD', S, '*', 'i', id, 'm', body, 'g', signature, 'q', seq)
else
  eid = redis.call('XADD', S, '*', 'i', id, 'm', body, 'g', signature, 'q', seq, 'k', lane)
end
if ARGV[11] == '1' then redis.call('DEL', job) end
redis.call('HSET', job, 'b', birth, 'e', eid, 'ttl', ttl)
if reply ~= '' then redis.call('HSET', job, 'r', reply) end
if delay > 0 then redis.call('HSET', job, 'd', ms(now + delay)) end
redis.call('PEXPIRE', job, MONTH)
return { 'ok', eid }
