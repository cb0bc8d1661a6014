-- ARGV, for each message: id, group, owner, delivery, adopt, birth, entry, lane, end, signature, reply to, ttl, reason,
-- node. With a reason it becomes a dead letter.
local function dead(job, g, eid, reason, node)
  local entry = entry_at(eid)
  if entry then
    local f = fields(entry)
    redis.call('XADD', P .. ':dead', 'MAXLEN', '~', 10000, '*', 'i', id_of(eid, f), 'm', string.sub(f.m or '', 1, 1048577),
      'g', f.g or '', 'k', f.k or '', 'r', reason, 'n', node, 't', ms(now), 'a', redis.call('HGET', job, 'a' .. g) or '')
  end
  redis.call('HINCRBY', M, 'dead', 1)
  redis.call('HSET', job, 'x' .. g, reason)
end

local finished, count = {}, 0

local function done(id, g, owner, n, adopt, birth, eid, lane, ended, signature, reply, ttl, reason, node)
  local job = job_key(id)
  local m = redis.call('HMGET', job, 'o' .. g, 'n' .. g, 'f' .. g, 'x' .. g, 'b', 'fn' .. g, 'fo' .. g, 'e', 'ttl')
  if m[6] == n and m[7] == owner then return { 'ok', '' } end
  local refused = refusal(job, g, owner, n, adopt, birth, eid, m)
  if refused then
    -- Another worker has ended it.
    if refused[1] == 'lost' and refused[2] == '' then refused[2] = m[7] or '' end
    return refused
  end
  if m[8] and m[8] ~= '' then eid = m[8] end
  if reason ~= '' then dead(job, g, eid, reason, node) end
  redis.call('HSET', job, 'f' .. g, ended, 'fs' .. g, signature, 'fn' .. g, n, 'fo' .. g, owner, 'o' .. g, '')
  if g ~= '' then redis.call('HDEL', job, 'u' .. g) end
  if g ~= '' or lane ~= '' then leave(g, lane, eid) end
  if g == '' then
    finished[#finished + 1] = eid
    ttl = tonumber(m[9] or ttl)
    -- Dead letters can be put back for a week.
    if reason ~= '' then ttl = math.max(ttl, 604800000) end
    redis.call('PEXPIRE', job, ms(ttl))
  end
  count = count + 1
  if reply ~= '' then
    local key = P .. ':r:' .. reply
    redis.call('XADD', key, 'MAXLEN', '~', 100000, '*', 'i', id, 'f', ended, 'g', signature)
    redis.call('PEXPIRE', key, 604800000)
  end
  return { 'ok', '' }
end

local answers = {}
for i = 1, #ARGV, 14 do answers[#answers + 1] = done(unpack(ARGV, i, i + 13)) end
if #finished > 0 then
  redis.call('XDEL', S, unpack(finished))
  if redis.call('ZREM', P .. ':u', unpack(finished)) < #finished then redis.call('ZREM', P .. ':d', unpack(finished)) end
end
-- What was said before is not counted again.
if count > 0 then redis.call('HINCRBY', M, 'finished', count) end
return answers
