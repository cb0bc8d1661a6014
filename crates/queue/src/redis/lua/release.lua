-- ARGV: group, owner, then for each: id, delivery, entry
local g, owner = ARGV[1], ARGV[2]
local answers = {}
for i = 3, #ARGV, 3 do
  local job, eid = job_key(ARGV[i]), ARGV[i + 2]
  local refused = refusal(job, g, owner, ARGV[i + 1], '0', '', '')
  if not refused then
    redis.call('HSET', job, 'o' .. g, '', 'u' .. g, '0')
    if redis.call('ZREM', P .. ':u' .. g, eid) == 1 then redis.call('ZADD', P .. ':d' .. g, 0, eid) end
  end
  answers[#answers + 1] = refused or { 'ok', '' }
end
wake()
return answers
