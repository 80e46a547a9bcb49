-- Takes from all counters, or from none.
-- KEYS: one a counter. ARGV, five each: kind, amount, most, what the asker last saw in it, the day of that.
-- Kind b: a bucket; what is kept is when it will be full again, in microseconds of this server's clock.
-- Kind d: a day (UTC); what is kept is its count, until the day ends.
-- Answers: the first counter without room (0 = all had), the day, and what each counter holds now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local day = math.floor(time[1] / 86400)
local kept = redis.call('MGET', unpack(KEYS))
local answer = { 0, day }
for i = 1, #KEYS do
  local a = (i - 1) * 5
  local held
  if ARGV[a + 1] == 'b' then
    -- What is not kept any more was full, or was lost: then what the asker saw is the best that is known.
    held = kept[i] and tonumber(kept[i]) - now or tonumber(ARGV[a + 4])
    if held < 0 then held = 0 end
  elseif kept[i] then
    held = tonumber(kept[i])
  elseif tonumber(ARGV[a + 5]) == day then
    held = tonumber(ARGV[a + 4])
  else
    held = 0
  end
  if answer[1] == 0 and held + tonumber(ARGV[a + 2]) > tonumber(ARGV[a + 3]) then answer[1] = i end
  answer[i + 2] = held
end
if answer[1] > 0 then return answer end
for i = 1, #KEYS do
  local a = (i - 1) * 5
  local held = answer[i + 2] + tonumber(ARGV[a + 2])
  if ARGV[a + 1] == 'b' then
    redis.call('SET', KEYS[i], string.format('%.0f', now + held), 'PX', string.format('%.0f', held / 1000 + 1000))
  else
    local left = math.max(1, (day + 1) * 86400000 - math.floor(now / 1000))
    redis.call('SET', KEYS[i], string.format('%.0f', held), 'PX', string.format('%.0f', left))
  end
  answer[i + 2] = held
end
return answer
