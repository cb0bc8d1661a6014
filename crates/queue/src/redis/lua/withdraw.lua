-- ARGV: id, birth, ttl. Answers 'ok' where no worker has the message and none gets it any more, else 'taken'.
-- The marker stays with w: a put that comes later, and an entry that is still there, count for nothing.
local id, birth, ttl = ARGV[1], ARGV[2], ARGV[3]
local job = job_key(id)
local all = redis.call('HGETALL', job)
local m, by_node = {}, false
for i = 1, #all, 2 do
  m[all[i]] = all[i + 1]
  -- With mode `every`: a node has it, or has finished it.
  if string.find(all[i], '^[nfx]:') then by_node = true end
end
if m.w == '1' then return 'ok' end
-- `si`: it was started, and nobody knows how it ended.
if m.f or m.x or m.si or by_node or (m.o and m.o ~= '') then return 'taken' end
redis.call('HSET', job, 'w', '1', 'b', birth)
local entry = entry_at(m.e)
if redis.call('HGET', M, 'mode') == 'every' and entry then
  -- It stays, so that nodes do not count it as one that they missed; its marker is kept as long.
  return 'ok'
end
redis.call('PEXPIRE', job, ttl)
if entry then
  leave('', fields(entry).k or '', m.e)
  redis.call('XDEL', S, m.e)
end
return 'ok'
