-- Corrects one counter by what was used beyond what was taken (ARGV[2], negative: less).
-- ARGV: kind as in take.lua, the difference, the day on which it was taken, the largest debt.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('GET', KEYS[1])
if ARGV[1] == 'd' then
  if kept and math.floor(time[1] / 86400) == tonumber(ARGV[3]) then
    redis.call('SET', KEYS[1], string.format('%.0f', math.max(0, kept + ARGV[2])), 'KEEPTTL')
  end
  return 0
end
local held = kept and math.max(0, kept - now) or 0
held = math.min(held + ARGV[2], tonumber(ARGV[4]))
if held <= 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.0f', now + held), 'PX', string.format('%.0f', held / 1000 + 1000))
end
return 0
