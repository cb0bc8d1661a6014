-- ARGV: 1, who and why, its signature; or 0
redis.call('HDEL', M, 'paused', 'paused_at', 'paused_by', 'paused_sign')
if ARGV[1] == '1' then
  redis.call('HSET', M, 'paused', '1', 'paused_at', ms(now), 'paused_by', ARGV[2], 'paused_sign', ARGV[3])
else
  wake()
end
return 1
