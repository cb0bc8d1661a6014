-- ARGV: id, group, owner, delivery, entry, delay, attempt, signature, starts
local id, g, owner, n, eid, delay = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local job = job_key(id)
if redis.call('HGET', job, 'an' .. g) == n then return { 'ok', '' } end
local refused = refusal(job, g, owner, n, '0', '', '')
if refused then return refused end
local current = redis.call('HGET', job, 'e')
if current and current ~= '' then eid = current end
local entry = entry_at(eid)
if not entry then return { 'gone', '' } end
redis.call('HSET', job, 'o' .. g, '', 'u' .. g, '0', 'a' .. g, ARGV[7], 'as' .. g, ARGV[8], 'an' .. g, n, 's' .. g, ARGV[9], 'd' .. g,
  ms(now + delay))
redis.call('HDEL', job, 'si' .. g, 'ss' .. g, 'sn' .. g)
redis.call('ZREM', P .. ':u' .. g, eid)
redis.call('ZADD', P .. ':d' .. g, ms(delay > 0 and now + delay or 0), eid)
if delay == 0 then wake() end
return { 'ok', '' }
