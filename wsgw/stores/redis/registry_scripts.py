"""What the registry does in one stroke, as Lua. All keys of a script lie in one slot.

Every write is guarded: it goes through only while the key that makes the writer the owner (a node's lease, a taker's
fence) still names it. So nothing that a node sends after it was held for dead changes its book any more.

The lease and the entry in `nodes` hold the same value: token, space, beat. The token is 16 characters long.
"""

from __future__ import annotations

from wsgw.stores.redis.link import Script

#: Beats, in place of a number: the node has left, and its book waits for whoever comes first.
LEFT = b"left"

#: What WRITE does with a connection.
OPEN, OWED, GONE = b"o", b"w", b"g"

#: Answers of RENEW.
FENCED, NEW, RENEWED = -1, 0, 1

# A key of another type than ours was written by somebody else: it goes, rather than fail every command from now on.
_READ = """
local function read(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then redis.call('DEL', key) return false end
  return value
end
local function names(value, token) return value and string.sub(value, 1, #token) == token end
local function hash(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' or kind == 'none' then return true end
  redis.call('DEL', key)
  return false
end
"""

#: nodes | name value → 1, or 0: there is one of this name
ENROL = Script(_READ + "hash(KEYS[1]) return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])")

#: lease fence fallen open owed | value expiry → 1, or 0: the name is taken, or -1: nobody has it, but there is a book.
CLAIM = Script("""
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then return 0 end
if redis.call('EXISTS', KEYS[4], KEYS[5]) > 0 then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

#: lease fence fallen open owed | token beat expiry → FENCED, RENEWED, or NEW: the lease, or some of the book, was gone
RENEW = Script(
    _READ
    + """
if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return -1 end
local lease = read(KEYS[1])
if lease and not names(lease, ARGV[1]) then return -1 end
local whole = lease and 1 or 0
for at = 4, 5 do
  if not hash(KEYS[at]) then whole = 0 end
  redis.call('PEXPIRE', KEYS[at], ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return whole
"""
)

#: nodes | node value expiry → how much garbage was removed, then name, value, name, value, … of all nodes
BEAT = Script(
    _READ
    + """
local garbage = hash(KEYS[1]) and 0 or 1
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local found = redis.call('HGETALL', KEYS[1])
local answer = {0}
for at = 1, #found, 2 do
  if string.match(found[at], '^%x%x%x%x$') and #found[at + 1] <= 64 then
    answer[#answer + 1] = found[at]
    answer[#answer + 1] = found[at + 1]
  else
    redis.call('HDEL', KEYS[1], found[at])
    garbage = garbage + 1
  end
end
answer[1] = garbage
return answer
"""
)

#: guard open owed | token, then kind id value, … → 1, or 0: the guard does not name the writer
WRITE = Script("""
local guard = redis.call('GET', KEYS[1])
if not guard or string.sub(guard, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
for at = 2, #ARGV, 3 do
  local kind, id = ARGV[at], ARGV[at + 1]
  if kind == 'o' then
    redis.call('HSET', KEYS[2], id, ARGV[at + 2])
  else
    redis.call('HDEL', KEYS[2], id)
    if kind == 'w' then redis.call('HSET', KEYS[3], id, ARGV[at + 2]) else redis.call('HDEL', KEYS[3], id) end
  end
end
return 1
""")

#: guard hash | token id → 1, or 0: the guard does not name the writer. What the other hash says of `id` stays.
REMOVE = Script("""
local guard = redis.call('GET', KEYS[1])
if not guard or string.sub(guard, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
""")

#: lease fence fallen open owed | lease as seen, taker's token, fence's expiry, fallen's expiry → 1, or 0: another has
#: taken it, -1: all was done before, or the lease as it is: the node lives.
#: The node falls in the same stroke: from now on it can neither renew its lease nor write.
TAKE = Script(
    _READ
    + """
local fence = read(KEYS[2])
if fence and fence ~= ARGV[2] then return 0 end
local lease = read(KEYS[1])
if lease and lease ~= ARGV[1] then return lease end
if not lease and redis.call('EXISTS', KEYS[3]) == 1 and redis.call('EXISTS', KEYS[4], KEYS[5]) == 0 then return -1 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
)

#: fence | token expiry → 1, or 0: another has taken it. A fence that ran out, and that nobody else took, is ours again.
HOLD = Script(
    _READ
    + """
local fence = read(KEYS[1])
if fence and fence ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
)

#: lease fence open owed | taker's token → 1: all done, 0: something is left for others, -1: it is not ours
FINISH = Script(
    _READ
    + """
local fence = read(KEYS[2])
if fence ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[2])
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
)

#: lease open owed | token, value that says LEFT, expiry → 1: nothing is owed, 0: some is left for others, -1: fenced
LEAVE = Script(
    _READ
    + """
if not names(read(KEYS[1]), ARGV[1]) then return -1 end
if redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then redis.call('DEL', KEYS[1]) return 1 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 0
"""
)

#: hash | cursor count most → next cursor, how much garbage was removed, then field, value, field, value, …
#: What is larger than anything that a gateway writes goes at the first look, even if that look takes too long.
SCAN = Script(
    _READ
    + """
if not hash(KEYS[1]) then return {'0', 1} end
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local answer, fields = {found[1], 0}, found[2]
for at = 1, #fields, 2 do
  if #fields[at] + #fields[at + 1] <= tonumber(ARGV[3]) then
    answer[#answer + 1] = fields[at]
    answer[#answer + 1] = fields[at + 1]
  else
    redis.call('HDEL', KEYS[1], fields[at])
    answer[2] = answer[2] + 1
  end
end
return answer
"""
)
