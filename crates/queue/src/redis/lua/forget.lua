-- ARGV: node. Answers: whether it was known, messages released, messages deleted.
local node = ARGV[1]
local g = ':' .. node
local known, released, deleted = 0, 0, 0
local all = redis.call('HGETALL', M)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, #node + 3) == 'h:' .. node .. '/' then
    redis.call('HDEL', M, all[i])
    known = 1
  end
end
for _, eid in ipairs(redis.call('ZRANGE', P .. ':u', 0, -1)) do
  local entry = entry_at(eid)
  local id = entry and id_of(eid, fields(entry))
  local owner = id and redis.call('HGET', job_key(id), 'o')
  if owner and string.sub(owner, 1, #node + 1) == node .. '/' then
    redis.call('HSET', job_key(id), 'o', '', 'u', '0')
    redis.call('ZREM', P .. ':u', eid)
    redis.call('ZADD', P .. ':d', 0, eid)
    released = released + 1
  end
end
if redis.call('HDEL', M, 'c' .. g, 'q' .. g, 't' .. g) > 0 then
  known = 1
  redis.call('DEL', P .. ':u' .. g, P .. ':d' .. g)
  for lane = 0, 15 do redis.call('DEL', P .. ':l' .. g .. ':' .. lane) end
  local others = 0
  all = redis.call('HGETALL', M)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'c:' then others = others + 1 end
  end
  if others == 0 then
    -- Nobody is left who would get them.
    redis.call('HSET', M, 'retain', '0')
  end
  while true do
    local removed = trim(false)
    deleted = deleted + removed
    if removed < 200 then break end
  end
  if others == 0 then redis.call('HDEL', M, 'retain') end
end
if redis.call('DEL', P .. ':r:' .. node) > 0 then known = 1 end
if released > 0 then wake() end
return { known, released, deleted }
