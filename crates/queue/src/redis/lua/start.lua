-- ARGV, for each message: id, group, owner, delivery, starts, info, signature
local function start(id, g, owner, n, starts, info, signature)
  local job = job_key(id)
  local m = redis.call('HMGET', job, 'o' .. g, 'n' .. g, 'f' .. g, 'x' .. g, 'b', 'sn' .. g)
  local refused = refusal(job, g, owner, n, '0', '', '', m)
  if refused then return refused end
  if m[6] ~= n then
    redis.call('HSET', job, 's' .. g, starts, 'si' .. g, info, 'ss' .. g, signature, 'sn' .. g, n)
  end
  return { 'ok', '' }
end

local answers = {}
for i = 1, #ARGV, 7 do answers[#answers + 1] = start(unpack(ARGV, i, i + 6)) end
return answers
