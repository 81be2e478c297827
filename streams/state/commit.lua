-- One atomic change of a partition's state. See streams/state/port.py.
-- KEYS: lease, open, due, closed, age, counts, kept (one hash tag). ARGV: prefix of message lists, owner, version, change,
-- then the bytes of append, put_open, put_closed and keep in this order.
local lease, open, due, closed, age, counts, kept = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local held = redis.call('HMGET', lease, 'owner', 'version')
if not held[1] then return {'LOST', 0} end
if held[1] ~= ARGV[2] then return {'FENCED', 0} end
if held[2] ~= ARGV[3] then return {'LOST', 0} end
local change = cmsgpack.unpack(ARGV[4])
local at = 4
local function bytes() at = at + 1; return ARGV[at] end

-- Removals first: when memory is full, Redis refuses a growing write only to a script that has written nothing yet.
if change.makes_room then redis.call('HDEL', lease, 'none') end
for _, id in ipairs(change.drop_open) do
  redis.call('DEL', ARGV[1] .. id)
  redis.call('HDEL', open, id)
  redis.call('ZREM', due, id)
end
for _, id in ipairs(change.drop_closed) do
  redis.call('HDEL', closed, id)
  redis.call('ZREM', age, id)
end
for _, name in ipairs(change.drop_kept) do redis.call('HDEL', kept, name) end
for _, id in ipairs(change.append) do redis.call('RPUSH', ARGV[1] .. id, bytes()) end
for _, item in ipairs(change.put_open) do
  redis.call('HSET', open, item[1], bytes())
  redis.call('ZADD', due, item[2], item[1])
end
for _, item in ipairs(change.put_closed) do
  redis.call('HSET', closed, item[1], bytes())
  redis.call('ZADD', age, item[2], item[1])
end
for _, name in ipairs(change.keep) do redis.call('HSET', kept, name, bytes()) end
for _, item in ipairs(change.counts) do redis.call('HINCRBY', counts, item[1], item[2]) end
if change.applied then redis.call('HSET', lease, 'applied', change.applied) end
return {'OK', redis.call('HINCRBY', lease, 'version', 1)}
