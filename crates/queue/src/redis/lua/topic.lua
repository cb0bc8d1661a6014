-- Answers: the time, the hash, length, unfinished, delayed, the oldest entry, dead letters, and for each group of mode
-- `every`: its name, unfinished, entries behind; and the owners of the first thousand messages of mode `compete`.
local all = redis.call('HGETALL', M)
local length = redis.call('XLEN', S)
local first = redis.call('XRANGE', S, '-', '+', 'COUNT', 1)[1]
local groups = {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'c:' then
    local g = string.sub(all[i], 2)
    local seen = 'q' .. g
    local seq = tonumber(redis.call('HGET', M, 'seq') or '0')
    groups[#groups + 1] = { string.sub(g, 2), redis.call('ZCARD', P .. ':u' .. g), redis.call('ZCARD', P .. ':d' .. g) +
      math.max(seq - (tonumber(redis.call('HGET', M, seen) or '') or seq), 0) }
  end
end
local owners = {}
for _, eid in ipairs(redis.call('ZRANGE', P .. ':u', 0, 999)) do
  local entry = entry_at(eid)
  owners[#owners + 1] = entry and redis.call('HGET', job_key(id_of(eid, fields(entry))), 'o') or nil
end
return { ms(now), all, length, redis.call('ZCARD', P .. ':u'), redis.call('ZCOUNT', P .. ':d', '(' .. ms(now), '(' ..
  ms(BEHIND)), first and first[1] or '', redis.call('XLEN', P .. ':dead'), groups,
  owners }
