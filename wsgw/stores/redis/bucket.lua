-- Token buckets by the generic cell rate algorithm. A key holds when its bucket is full again, in microseconds; each
-- token taken moves that on by what one token takes to come back.
-- KEYS: buckets, in order. ARGV, for each: rate in tokens a second, burst, tokens wanted (fewer than none: given back).
-- Gives for each how many tokens were taken, and in how many microseconds there is one more (0: now, -1: never). The
-- first bucket that gives none is the last that is asked.
local function take(key, rate, burst, wanted)
    -- A rate of nothing: time stands still, and each token counts one.
    local now, token, kept = 0, 1, 2592000000
    if rate > 0 then
        local time = redis.call('TIME')
        -- Counted from 2023 on, for the sake of fractions: a number of Lua has 53 bits.
        now, token = (time[1] - 1672531200) * 1e6 + time[2], 1e6 / rate
    end
    local value = redis.pcall('GET', key)
    -- Of another type: somebody else wrote it, and every command would fail from now on. So it goes.
    if type(value) == 'table' then
        redis.call('DEL', key)
        value = nil
    end
    local full = tonumber(value or 0)
    if not full or full ~= full then full = now end
    full = math.max(full, now)
    -- No bucket is emptier than empty: after Redis's clock was set back, or with what else wrote there, it would not
    -- let anybody through for as long as that says.
    local emptier = full > now + (burst + 1) * token
    if emptier then full = now + burst * token end
    local free = burst - (full - now) / token
    -- What is missing to a whole token by rounding alone is not missing.
    local taken = math.min(wanted, math.max(0, math.floor(free + 1e-6)))
    if taken ~= 0 or emptier then
        full = math.max(full + taken * token, now)
        if rate > 0 then kept = math.ceil((full - now) / 1000) end
        if full == now then
            redis.call('DEL', key)
        else
            redis.call('SET', key, string.format('%.17g', full), 'PX', math.max(kept, 1))
        end
    elseif rate == 0 then
        redis.call('PEXPIRE', key, kept)
    end
    local missing = 1 - (free - taken)
    if missing <= 1e-6 then return taken, 0 end
    if rate == 0 then return taken, -1 end
    return taken, math.ceil(missing * token)
end

local found = {}
for i, key in ipairs(KEYS) do
    local taken, wait = take(key, tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]))
    found[2 * i - 1], found[2 * i] = taken, wait
    if taken == 0 then break end
end
return found
