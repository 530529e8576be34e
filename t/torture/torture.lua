-- SPDX-License-Identifier: MIT
-- The calls of drsession by lines, as mod_drstest answers them: a driver of
-- the torture asks at both doors alike. A mark has the id, but no time.
local drsession = require "drsession"

local function show(v)
    if type(v) == "table" then
        return string.format('{"s":"%s","f":"%s","w":%d,"n":%d}',
                             v.s, v.f, v.w, v.n)
    end
    return tostring(v)
end

local function found(v)
    if v == nil or v == false then return "notfound" end
    return v == true and "ok" or "ok " .. show(v)
end

local verbs = {
    mark = function(s) return "ok 0 0 " .. (drsession.id(s) or "-") end,
    get = function(s, field) return found(s[field]) end,
    has = function(s, field) return found(drsession.has(s, field)) end,
    del = function(s, field) return found(drsession.del(s, field)) end,
    pop = function(s, field) return found(drsession.pop(s, field)) end,
    incr = function(s, field) return "ok " .. drsession.incr(s, field) end,
    regenerate = function(s) return found(drsession.regenerate(s)) end,
    destroy = function(s) drsession.destroy(s) return "ok" end,
    set = function(s, field, text)
        drsession.setjson(s, field, text)
        return "ok"
    end,
}

function handle(r)
    local s = drsession.open(r)

    r.content_type = "text/plain"
    for line in (r:requestbody() or ""):gmatch("[^\n]+") do
        local verb, field, text = line:match("^(%S+) ?(%S*) ?(.*)$")
        local done, said = pcall(verbs[verb], s, field, text)
        if not done then said = said:match("^%a+") or "raised" end
        r:puts(said .. "\n")
    end
    return apache2.OK
end
