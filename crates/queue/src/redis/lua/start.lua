-- ARGV: id, group, owner, delivery, starts, info, signature
local job, g = job_key(ARGV[1]), ARGV[2]
local refused = refusal(job, g, ARGV[3], ARGV[4], '0', '', '')
if refused then return refused end
if redis.call('HGET', job, 'sn' .. g) ~= ARGV[4] then
  redis.call('HSET', job, 's' .. g, ARGV[5], 'si' .. g, ARGV[6], 'ss' .. g, ARGV[7], 'sn' .. g, ARGV[4])
end
return { 'ok', '' }
