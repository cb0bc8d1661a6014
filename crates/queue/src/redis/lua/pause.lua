-- ARGV: 1 or 0
if ARGV[1] == '1' then
  redis.call('HSET', M, 'paused', '1')
else
  redis.call('HDEL', M, 'paused')
  wake()
end
return 1
