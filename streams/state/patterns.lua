-- Adds the sums of one batch of one group. See streams/state/patterns.py.
-- KEYS: meta, seen, followed, then the buckets that get something, then the buckets that left the window.
-- ARGV: field of the applied offset, the value it must have ('' for none), the new one, a msgpack header, then for each
-- name its bucket's cells: name, packed cell.
-- A packed cell is a flat msgpack array: how many sums, the sums, then digest and id of each sampled trace.
local meta, seen, followed = KEYS[1], KEYS[2], KEYS[3]
local held = redis.call('HGET', meta, ARGV[1]) or ''
if held ~= ARGV[2] then return {0, 0} end
local header = cmsgpack.unpack(ARGV[4])
local samples, limit, keep = header.samples, header.limit, math.floor(header.limit * 3 / 4)

-- Removals first: when memory is full, Redis refuses a growing write only to a script that has written nothing yet.
for n = 4 + #header.buckets, #KEYS do redis.call('UNLINK', KEYS[n]) end

local function added(own, more)
  local sums = own[1]
  for n = 2, sums + 1 do own[n] = own[n] + (more[n] or 0) end
  if #more == more[1] + 1 then return own end
  local ids, digests = {}, {}
  for _, cell in ipairs({own, more}) do
    for n = cell[1] + 2, #cell, 2 do
      if not ids[cell[n]] then digests[#digests + 1] = cell[n] end
      ids[cell[n]] = cell[n + 1]
    end
  end
  table.sort(digests)
  for n = #own, sums + 2, -1 do own[n] = nil end
  for n = 1, math.min(samples, #digests) do
    own[#own + 1] = digests[n]
    own[#own + 1] = ids[digests[n]]
  end
  return own
end

-- Drops the rarest names, and notes how often one of them may have been counted.
local function prune(bucket)
  local all, counts, most = redis.call('HGETALL', bucket), {}, 0
  for n = 1, #all, 2 do
    local count = cmsgpack.unpack(all[n + 1])[2]
    counts[count] = (counts[count] or 0) + 1
    most = math.max(most, count)
  end
  local left, up_to = #all / 2, 0
  while left > keep and up_to < most do
    up_to = up_to + 1
    left = left - (counts[up_to] or 0)
  end
  local lost = 0
  for n = 1, #all, 2 do
    if all[n] == 'e' then
      lost = cmsgpack.unpack(all[n + 1])[2]
    elseif all[n] ~= 's' and cmsgpack.unpack(all[n + 1])[2] <= up_to then
      redis.call('HDEL', bucket, all[n])
    end
  end
  redis.call('HSET', bucket, 'e', cmsgpack.pack({1, lost + up_to}))
end

local at = 5
for number, size in ipairs(header.buckets) do
  local bucket = KEYS[3 + number]
  for first = at, at + 2 * size - 1, 1000 do
    local last = math.min(first + 999, at + 2 * size - 1)
    local names, pairs_ = {}, {}
    for n = first, last, 2 do names[#names + 1] = ARGV[n] end
    local own = redis.call('HMGET', bucket, unpack(names))
    for n = 1, #names do
      pairs_[2 * n - 1] = names[n]
      local more = ARGV[first + 2 * n - 1]
      pairs_[2 * n] = own[n] and cmsgpack.pack(added(cmsgpack.unpack(own[n]), cmsgpack.unpack(more))) or more
    end
    redis.call('HSET', bucket, unpack(pairs_))
  end
  at = at + 2 * size
  if redis.call('HLEN', bucket) > limit then prune(bucket) end
  redis.call('EXPIRE', bucket, header.keep_seconds)
end

for _, trace in ipairs(header.traces) do redis.call('ZADD', seen, trace[2], trace[1]) end
redis.call('ZREMRANGEBYSCORE', seen, '-inf', '(' .. header.oldest)
redis.call('ZREMRANGEBYRANK', seen, 0, -header.remember - 1)
local newest = math.max(header.newest, tonumber(redis.call('HGET', meta, 'newest') or header.newest))
redis.call('HSET', meta, ARGV[1], ARGV[3], 'newest', newest)
for _, key in ipairs({meta, seen, followed}) do redis.call('EXPIRE', key, header.keep_seconds) end
return {1, redis.call('HINCRBY', meta, 'version', 1)}
