-- ARGV: entry of the dead letter, attempt, signature, birth, ttl
local eid = ARGV[1]
local letter = redis.call('XRANGE', P .. ':dead', eid, eid)[1]
if not letter then return 0 end
local f = fields(letter)
local job = job_key(f.i)
local old = redis.call('HMGET', job, 'n', 'ttl', 'r')
redis.call('DEL', job)
local seq = redis.call('HINCRBY', M, 'seq', 1)
local new
if not f.k then
  new = redis.call('XADD', S, '*', 'i', f.i, 'm', f.m, 'g', f.g, 'q', seq)
else
  new = redis.call('XADD', S, '*', 'i', f.i, 'm', f.m, 'g', f.g, 'q', seq, 'k', f.k)
end
redis.call('HSET', job, 'b', ARGV[4], 'e', new, 'ttl', old[2] or ARGV[5], 'n', old[1] or '0', 'a', ARGV[2], 'as', ARGV[3])
redis.call('PEXPIRE', job, MONTH)
redis.call('XDEL', P .. ':dead', eid)
return 1
