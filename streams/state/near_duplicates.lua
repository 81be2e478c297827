-- One batch of claims. See streams/state/near_duplicates.py, which says what lies under which key.
-- KEYS: meta. ARGV: base of the other keys, rules (msgpack); then four arguments for each candidate (trace id, fixed
-- part, scenario, packed summary) and each withdrawal (the same, but only the head of the fixed part).
local meta, base, rules = KEYS[1], ARGV[1], cmsgpack.unpack(ARGV[2])
local call, byte, char, sub, find = redis.call, string.byte, string.char, string.sub, string.find
local pack, unpack_ = struct.pack, struct.unpack
local ACCEPTED, ADOPTED, ANSWERED, WITHDRAWN = 1, 2, 3, 4  -- adopted: accepted in place of another, not counted
local SLOT, CHECK, HOT, NONE, TAIL, HEAD = 10, 2, 8, string.rep('\0', 8), 176, 20

-- Windows -------------------------------------------------------------------------------------------------------
local fields = {'window', 'started', 'count', 'segments', 'segments_before', 'sweep', 'sweep_at', 'sweep_to', 'exact',
  'exact_started', 'exact_count'}
local held = call('HMGET', meta, unpack(fields))
for i = 1, #fields do held[i] = tonumber(held[i]) or 0 end
local window, started, count, segments, segments_before = held[1], held[2], held[3], held[4], held[5]
local sweep, sweep_at, sweep_to = held[6], held[7], held[8]
local exact, exact_started, exact_count = held[9], held[10], held[11]
-- The first write needs memory: a Redis without any refuses it, and then nothing was changed.
call('HSET', meta, 'window', window)

local function key(of, name) return base .. of .. ':' .. name end
local function drop(of)
  call('UNLINK', key(of, 'traces'), key(of, 'scenarios'), key(of, 'tasks'), key(of, 'twins'))
end
local traces, traces_before, scenarios, scenarios_before, tasks, tasks_before, twins, twins_before
local bands, bands_before, two, exacts
local function open()
  traces, traces_before = key(window, 'traces'), key(window - 1, 'traces')
  scenarios, scenarios_before = key(window, 'scenarios'), key(window - 1, 'scenarios')
  tasks, tasks_before = key(window, 'tasks'), key(window - 1, 'tasks')
  twins, twins_before = key(window, 'twins'), key(window - 1, 'twins')
  bands, bands_before = key(window, ''), key(window - 1, '')
  two = call('EXISTS', traces_before) == 1
  exacts = {base .. 'exact:' .. exact, exact > 1 and base .. 'exact:' .. (exact - 1) or nil}
end
local function keep()
  for _, name in ipairs({traces, scenarios, tasks, twins}) do call('PEXPIRE', name, rules.keep_ms) end
  call('PEXPIRE', exacts[1], rules.exact_keep_ms)
end
open()

-- Before anything is stored that happened at this time. Only what is stored moves windows, each by its own time: where
-- a batch begins, and what comes again, changes nothing.
local function rotate(now)
  local over = window > 0 and (now >= started + rules.window_ms or count >= rules.max_docs)
  local exact_over = exact > 0 and (now >= exact_started + rules.exact_ms or exact_count >= rules.max_exact)
  if window > 0 and not over and not exact_over then return end
  keep()
  if window == 0 then
    window, started, segments, segments_before = 1, now, rules.segments, rules.segments
  elseif over then
    drop(window - 1)
    sweep, sweep_at, sweep_to = window - 1, 0, segments_before
    if now >= started + 2 * rules.window_ms then  -- a long silence: nothing of the current window is recent
      drop(window)
      sweep, sweep_to = window, segments
      window = window + 1
    end
    window, started, count = window + 1, now, 0
    segments, segments_before = rules.segments, segments
  end
  if exact == 0 then
    exact, exact_started = 1, now
  elseif exact_over then
    call('UNLINK', base .. 'exact:' .. (exact - 1))
    if now >= exact_started + 2 * rules.exact_ms then
      call('UNLINK', base .. 'exact:' .. exact)
      exact = exact + 1
    end
    exact, exact_started, exact_count = exact + 1, now, 0
  end
  open()
end

local function either(current, before, field)
  return call('HGET', current, field) or (two and call('HGET', before, field))
end

-- Records -------------------------------------------------------------------------------------------------------
-- Of each trace: state, revision, trace id, answer; of an accepted one also 176 bytes: who stands for it now (8),
-- particulars (8), exact hash (16), task (8), quality score (8), signature (128).
local function record_of(id)
  local held_, where = call('HGET', traces, id), window
  if not held_ and two then held_, where = call('HGET', traces_before, id), window - 1 end
  if not held_ then return nil end
  local state, revision, trace, answer = unpack_('>BI4Hc0Hc0', held_)
  local found = {id = id, state = state, revision = revision, trace = trace, answer = answer, where = where}
  found.live = state == ACCEPTED or state == ADOPTED
  if found.live then
    local tail = sub(held_, -TAIL)
    found.tail, found.heir, found.particulars, found.exact = tail, sub(tail, 1, 8), sub(tail, 9, 16), sub(tail, 17, 32)
    found.task, found.quality, found.signature = sub(tail, 33, 40), unpack_('>d', tail, 41), sub(tail, 49, 176)
  end
  return found
end
local function packed(state, revision, trace, answer)
  return pack('>BI4Hc0Hc0', state, revision, #trace, trace, #answer, answer)
end

-- The entry of a trace that is no longer what it was. Its bands may stay: they lead to a record that is not there.
local function forget(found)
  if not found.live then return end
  for _, name in ipairs(exacts) do
    local entry = call('HGET', name, found.exact)
    if entry and sub(entry, 1, 8) == found.id then call('HDEL', name, found.exact) end
  end
  if found.state == ACCEPTED then
    local field = cmsgpack.unpack(found.answer)[9]
    call('HINCRBY', found.where == window and scenarios or scenarios_before, field, -1)
  end
  for _, name in ipairs({tasks, tasks_before}) do
    local slowest = call('HGET', name, found.task)
    if slowest and sub(slowest, 13) == found.trace then call('HDEL', name, found.task) end
  end
end

-- Similarity ----------------------------------------------------------------------------------------------------
local function bytes_of(signature) return {byte(signature, 1, 128)} end
local function estimate(mine, signature)
  local theirs, equal = {byte(signature, 1, 128)}, 0
  for i = 1, 128 do
    local x, y = mine[i], theirs[i]
    if x == y then
      equal = equal + 2
    else
      local low, other = x % 16, y % 16
      if low == other or x - low == y - other then equal = equal + 1 end
    end
  end
  return math.max(0, (equal - 16) / 240)
end

-- Strings of two bytes: a number's text would cost more than the call it is for.
local function segment_of(high, low, of) return char(high, low % (of / 256)) end

-- The segments of a candidate's bands, and all traces that share a band with it, those with most bands first.
local function neighbours(c)
  local hits, ids, free, keys, checks = {}, {}, {}, {}, {}
  for band = 1, rules.bands do
    local at = 193 + 4 * band
    local high, low = byte(c.fixed, at, at + 1)
    checks[band] = sub(c.fixed, at + 2, at + 3)
    keys[band] = bands .. segment_of(high, low, segments)
    if two then keys[rules.bands + band] = bands_before .. segment_of(high, low, segments_before) end
  end
  local slots = call('MGET', unpack(keys))
  for number, held_ in ipairs(slots) do
    local band = number > rules.bands and number - rules.bands or number
    local check, busy = checks[band], 0
    local from = held_ and find(held_, check, 1, true)
    while from do
      if (from - 1) % SLOT == 0 then
        local id = sub(held_, from + CHECK, from + SLOT - 1)
        if not hits[id] then ids[#ids + 1] = id end
        hits[id] = (hits[id] or 0) + 1
        busy = busy + 1
        from = find(held_, check, from + SLOT, true)
      else
        from = find(held_, check, from + 1, true)
      end
    end
    if number == band and busy < HOT and (not held_ or #held_ < rules.segment_bytes) then
      free[#free + 1] = band
    end
  end
  if #ids > rules.max_compared then
    table.sort(ids, function(a, b) if hits[a] ~= hits[b] then return hits[a] > hits[b] end return a < b end)
  end
  return ids, {keys = keys, checks = checks, free = free}
end

-- Judging -------------------------------------------------------------------------------------------------------
local function exact_twin(c)
  for _, name in ipairs(exacts) do
    local entry = call('HGET', name, c.exact)
    if entry and sub(entry, 1, 8) ~= c.id then
      local found = record_of(sub(entry, 1, 8))
      if not found then return {id = sub(entry, 1, 8), trace = sub(entry, 9), heir = NONE} end
      if found.live and found.exact == c.exact then return found end
    end
  end
end

local function judge(c)
  local twin, likest, best = exact_twin(c), 0, 1
  local ids, places = neighbours(c)
  if twin then
    likest = 1
  else
    best = -1
    local mine = #ids > 0 and bytes_of(c.signature)
    for i = 1, math.min(#ids, rules.max_compared) do
      local found = ids[i] ~= c.id and record_of(ids[i])
      if found and found.live then
        local similarity = estimate(mine, found.signature)
        if similarity > likest then likest = similarity end
        if similarity >= rules.accept and found.particulars == c.particulars
          and (similarity > best or (similarity == best and found.id < twin.id)) then
          twin, best = found, similarity
        end
      end
    end
  end
  local stands = twin
  for _ = 1, 64 do
    if not stands or stands.heir == NONE or stands.id == c.id then break end
    local heir = record_of(stands.heir)
    if not heir or not heir.live then break end
    stands = heir
  end
  local verdict = {novelty = 1 - likest, places = places, similarity = twin and best, cluster = false}
  verdict.exact = twin ~= nil and best == 1 and (twin.exact or c.exact) == c.exact
  local better = rules.better and stands and stands.quality and c.quality >= stands.quality + rules.better_by
  if stands and (stands.id == c.id or better) then
    verdict.replaces = stands.id == c.id and twin or stands
  elseif twin then
    verdict.duplicate, verdict.cluster = twin.trace, stands.trace
  elseif rules.cap > 0 and (tonumber(call('HGET', scenarios, c.scenario)) or 0) >= rules.cap then
    verdict.over_cap = true
  end
  return verdict
end

-- The slowest accepted run of the same task; its summary stays as long as answers name it.
local function slow_twin(c)
  local slowest, named = either(tasks, tasks_before, c.task), false
  if slowest then
    local duration, revision = unpack_('>dI4', slowest)
    local trace = sub(slowest, 13)
    if trace == c.trace then
      slowest = nil
    else
      named = revision .. '@' .. trace
      local summary = either(twins, twins_before, named)
      if summary then call('HSET', twins, named, summary) else named = false end
      if not summary or duration < c.duration then slowest = nil end
    end
  end
  if slowest then
    call('HSET', tasks, c.task, slowest)
  else
    call('HSET', tasks, c.task, pack('>dI4', c.duration, c.revision) .. c.trace)
    call('HSET', twins, c.revision .. '@' .. c.trace, c.summary)
  end
  return named
end

local function answer_of(c, verdict, named)
  return cmsgpack.pack({verdict.duplicate or false, verdict.similarity or -1, verdict.exact, verdict.novelty,
    verdict.cluster, verdict.replaces and verdict.replaces.trace or false, verdict.over_cap or false, named, c.scenario})
end

local function accept(c, verdict)
  local named = c.task ~= NONE and slow_twin(c)
  local answer = answer_of(c, verdict, named)
  local replaced = verdict.replaces
  if replaced and replaced.tail then
    call('HSET', key(replaced.where, 'traces'), replaced.id, packed(replaced.state, replaced.revision, replaced.trace,
      replaced.answer) .. c.id .. sub(replaced.tail, 9))
  end
  call('HSET', traces, c.id, packed(replaced and ADOPTED or ACCEPTED, c.revision, c.trace, answer)
    .. NONE .. sub(c.fixed, 21, 60) .. c.signature)
  if not replaced then call('HINCRBY', scenarios, c.scenario, 1) end
  call('HSET', exacts[1], c.exact, c.id .. c.trace)
  exact_count = exact_count + 1
  local places = verdict.places
  for _, band in ipairs(places.free) do
    local name = places.keys[band]
    if call('APPEND', name, places.checks[band] .. c.id) == SLOT then call('PEXPIRE', name, rules.keep_ms) end
  end
  return answer, named
end

-- The record of this very trace: keys are hashes, and another one may have the same.
local function own_record(c)
  local known = record_of(c.id)
  if known and known.trace == c.trace then return known end
end

-- The packed answer, and the run whose summary goes with it.
local function claim(c)
  local known = own_record(c)
  if known and c.revision == known.revision and known.state ~= WITHDRAWN then
    return known.answer, cmsgpack.unpack(known.answer)[8]
  end
  if known and c.revision < known.revision then  -- published again after its successor: answered, not stored
    return answer_of(c, judge(c), false), false
  end
  rotate(c.at)
  known = own_record(c)
  if known then forget(known) end
  local verdict = judge(c)
  if known and known.where ~= window then call('HDEL', traces_before, c.id) end
  if not known or known.where ~= window then count = count + 1 end
  if not verdict.duplicate and not verdict.over_cap then return accept(c, verdict) end
  local answer = answer_of(c, verdict, false)
  call('HSET', traces, c.id, packed(ANSWERED, c.revision, c.trace, answer))
  return answer, false
end

local function withdraw(c)
  local known = own_record(c)
  if not known or known.revision > c.revision then return end
  if known.state == WITHDRAWN and known.revision == c.revision then return end
  rotate(c.at)
  known = own_record(c)
  if not known then return end
  forget(known)
  call('HSET', traces, known.id, packed(WITHDRAWN, c.revision, known.trace, ''))
  if known.where ~= window then
    call('HDEL', traces_before, known.id)
    count = count + 1
  end
end

local replies = {}
for at = 3, #ARGV, 4 do
  local fixed = ARGV[at + 1]
  local id, revision, closed = unpack_('>c8I4d', fixed)
  local c = {trace = ARGV[at], id = id, revision = revision, at = closed}
  if #fixed == HEAD then
    withdraw(c)
  else
    c.fixed, c.scenario, c.summary = fixed, ARGV[at + 2], ARGV[at + 3]
    c.particulars, c.exact, c.task = sub(fixed, 21, 28), sub(fixed, 29, 44), sub(fixed, 45, 52)
    c.signature = sub(fixed, 69, 196)
    c.quality, c.duration = unpack_('>dd', fixed, 53)
    local answer, named = claim(c)
    replies[#replies + 1] = answer
    replies[#replies + 1] = named and either(twins, twins_before, named) or ''
  end
end

-- Bands of a window that is over go a few with each batch: all at once would hold everybody up.
local sweep_end = math.min(sweep_to, sweep_at + #ARGV + 16)
for segment = sweep_at, sweep_end - 1 do
  call('UNLINK', key(sweep, char(math.floor(segment * 256 / sweep_to), segment % (sweep_to / 256))))
end
sweep_at = sweep_end
call('HSET', meta, 'window', window, 'started', started, 'count', count, 'segments', segments,
  'segments_before', segments_before, 'sweep', sweep, 'sweep_at', sweep_at, 'sweep_to', sweep_to,
  'exact', exact, 'exact_started', exact_started, 'exact_count', exact_count)
keep()
call('PEXPIRE', meta, math.max(rules.keep_ms, rules.exact_keep_ms))
return replies
