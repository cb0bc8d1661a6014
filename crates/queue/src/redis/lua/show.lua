-- ARGV: id. Answers the marker, its entry, the time, whether paused, and the id of the message that holds the lane.
local all = redis.call('HGETALL', job_key(ARGV[1]))
local m = {}
for i = 1, #all, 2 do m[all[i]] = all[i + 1] end
local entry = entry_at(m.e)
local head = ''
if entry then
  local f = fields(entry)
  if f.k then
    local first = redis.call('LINDEX', P .. ':l:' .. f.k, 0)
    local holder = first and first ~= m.e and entry_at(first)
    if holder then head = id_of(first, fields(holder)) end
  end
end
return { all, entry and entry[2] or {}, ms(now), redis.call('HGET', M, 'paused') or '', head }
