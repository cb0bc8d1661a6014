-- ARGV: id, group, owner, delivery, adopt, birth, entry, lane, end, signature, reply to, ttl, reason
-- With a reason it becomes a dead letter: then also node.
local id, g, owner, n = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local eid, lane, reason = ARGV[7], ARGV[8], ARGV[13]
local job = job_key(id)
local ended = redis.call('HMGET', job, 'fn' .. g, 'fo' .. g)
if ended[1] == n and ended[2] == owner then return { 'ok', '' } end
local refused = refusal(job, g, owner, n, ARGV[5], ARGV[6], eid)
if refused then return refused end
local current = redis.call('HGET', job, 'e')
if current and current ~= '' then eid = current end
if reason ~= '' then
  local entry = entry_at(eid)
  if entry then
    local f = fields(entry)
    redis.call('XADD', P .. ':dead', 'MAXLEN', '~', 10000, '*', 'i', f.i or '', 'm', string.sub(f.m or '', 1, 1048577),
      'g', f.g or '', 'k',
      f.k or '', 'r', reason, 'n', ARGV[14], 't', ms(now), 'a', redis.call('HGET', job, 'a' .. g) or '')
  end
  redis.call('HINCRBY', M, 'dead', 1)
  redis.call('HSET', job, 'x' .. g, reason)
end
redis.call('HSET', job, 'f' .. g, ARGV[9], 'fs' .. g, ARGV[10], 'fn' .. g, n, 'fo' .. g, owner, 'o' .. g, '')
redis.call('HDEL', job, 'si' .. g, 'ss' .. g, 'sn' .. g, 'u' .. g, 'l' .. g, 'd' .. g)
redis.call('HINCRBY', M, 'finished', 1)
leave(g, lane, eid)
if g == '' then
  redis.call('XDEL', S, eid)
  local ttl = tonumber(redis.call('HGET', job, 'ttl') or ARGV[12])
  -- Dead letters can be put back for a week.
  if reason ~= '' then ttl = math.max(ttl, 604800000) end
  redis.call('PEXPIRE', job, ms(ttl))
end
if ARGV[11] ~= '' then
  local key = P .. ':r:' .. ARGV[11]
  redis.call('XADD', key, 'MAXLEN', '~', 100000, '*', 'i', id, 'f', ARGV[9], 'g', ARGV[10])
  redis.call('PEXPIRE', key, 604800000)
end
return { 'ok', '' }
