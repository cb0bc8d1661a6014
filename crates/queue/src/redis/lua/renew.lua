-- ARGV: group, owner, lease, then for each: id, delivery, adopt, birth, entry
local g, owner, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local meta = redis.call('HMGET', M, 'beat', 'lease')
local beat = tonumber(meta[1] or '0')
if tonumber(meta[2] or '0') < lease then redis.call('HSET', M, 'lease', ms(lease)) end
if now - beat > lease / 2 or now < beat then redis.call('HSET', M, 'steady', ms(now)) end
redis.call('HSET', M, 'beat', ms(now), 't' .. g, ms(now), 'h:' .. owner, ms(now))
local answers = {}
for i = 4, #ARGV, 5 do
  local job, eid = job_key(ARGV[i]), ARGV[i + 4]
  local refused = refusal(job, g, owner, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], eid)
  if not refused then
    redis.call('HSET', job, 'u' .. g, ms(now + lease), 'l' .. g, ms(lease))
    redis.call('ZADD', P .. ':u' .. g, 'XX', ms(now + lease), eid)
  end
  answers[#answers + 1] = refused or { 'ok', '' }
end
return answers
