-- ARGV: ids. Answers for each: the marker, whether its entry is there; and the time.
local answers = {}
for _, id in ipairs(ARGV) do
  local all = redis.call('HGETALL', job_key(id))
  local eid = nil
  for i = 1, #all, 2 do
    if all[i] == 'e' then eid = all[i + 1] end
  end
  answers[#answers + 1] = { all, entry_at(eid) and 1 or 0, ms(now) }
end
return answers
