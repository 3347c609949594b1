-- SPDX-License-Identifier: MIT
-- scripts: what Redis carries out in one step where one command is not enough. Each script works on
-- one key, so it can run on whatever server of a cluster has that key.
--
-- A list is a hash, so that one key has all of it and one time: `n`, the number of the last entry;
-- `f`, that of the first; `b`, the bytes of ids and values; `i` and an id, the number of that
-- entry; `e` and a number, an entry: the length of its id, a colon, the id, the value. A bucket is
-- a hash, too: `t`, its tokens, and `a`, when that was so.
local scripts = {}

-- Refuses a key that holds something else, given the field that marks the other kind of hash.
local function of_kind(other)
  return ([[
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind ~= 'none' and (kind ~= 'hash' or redis.call('HEXISTS', key, '%s') == 1) then
  return redis.error_reply('WRONGTYPE ' .. kind)
end
]]):format(other)
end

-- ARGV: the value that is to be there.
scripts.release = [[
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
]]

-- ARGV: what to add, ms. The answer is text: numbers of Lua have 53 bits here.
scripts.count = [[
local there = redis.call('EXISTS', KEYS[1])
redis.call('INCRBY', KEYS[1], ARGV[1])
if there == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
]]

-- ARGV: id, value, entries, bytes, ms.
scripts.append = of_kind "t" .. [[
local id, value, ms = ARGV[1], ARGV[2], ARGV[5]
if redis.call('HEXISTS', key, 'i' .. id) == 0 then
  local last = redis.call('HINCRBY', key, 'n', 1)
  local bytes = redis.call('HINCRBY', key, 'b', #id + #value)
  redis.call('HSET', key, 'i' .. id, last, 'e' .. last, #id .. ':' .. id .. value)
  local first = tonumber(redis.call('HGET', key, 'f') or 1)
  local start = first
  while first <= last and (last - first >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4])) do
    local entry = redis.call('HGET', key, 'e' .. first)
    local digits = string.match(entry, '^%d+')
    local old = string.sub(entry, #digits + 2, #digits + 1 + tonumber(digits))
    redis.call('HDEL', key, 'e' .. first, 'i' .. old)
    bytes = redis.call('HINCRBY', key, 'b', #digits + 1 - #entry)
    first = first + 1
  end
  if first ~= start then redis.call('HSET', key, 'f', first) end
end
redis.call('PEXPIRE', key, ms)
return 1
]]

-- ARGV: nothing, or the id after which to begin. Nothing for a list or an id that there is not.
scripts.range = of_kind "t" .. [[
if kind == 'none' then return false end
local from = tonumber(redis.call('HGET', key, 'f') or 1)
local last = tonumber(redis.call('HGET', key, 'n'))
if ARGV[1] then
  local at = redis.call('HGET', key, 'i' .. ARGV[1])
  if not at then return false end
  from = tonumber(at) + 1
end
local out = {}
while from <= last do
  local names = {}
  for i = from, math.min(last, from + 499) do names[#names + 1] = 'e' .. i end
  local entries = redis.call('HMGET', key, unpack(names))
  for i = 1, #names do out[#out + 1] = entries[i] end
  from = from + #names
end
return out
]]

-- ARGV: tokens in a second, tokens of a full bucket, tokens to take.
scripts.bucket = of_kind "n" .. [[
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local tokens, seconds = burst, 0
local held = redis.call('HMGET', key, 't', 'a')
if held[1] then
  tokens = math.min(burst, tonumber(held[1]) + math.max(0, now - tonumber(held[2])) * rate)
end
if tokens < cost then
  seconds = (cost - tokens) / rate
else
  tokens = tokens - cost
end
redis.call('HSET', key, 't', string.format('%.17g', tokens), 'a', string.format('%.17g', now))
redis.call('PEXPIRE', key, math.ceil((burst / rate + 1) * 1000))
return string.format('%.17g', seconds)
]]

-- ARGV: a node and how long it lives, in ms; 0: it has ended. The answer is the nodes alive.
scripts.nodes = [[
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], 3600000)
return redis.call('ZRANGE', KEYS[1], 0, -1)
]]

return scripts
