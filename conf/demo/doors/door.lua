-- SPDX-License-Identifier: MIT
-- A script of mod_lua: the session is a table, and what is written is in
-- Redis when the statement ends.
local drsession = require "drsession"

local sold = { tea = true, coffee = true, cake = true }

function handle(r)
    local s = drsession.open(r)

    if r.method == "POST" then
        if r.args == "visit" then
            drsession.incr(s, "visits")
        elseif sold[r.args] then
            local cart = s.cart or drsession.array()
            cart[#cart + 1] = r.args
            s.cart = cart
        else
            return 400
        end
    end

    r.content_type = "application/json"
    r:puts(('{"user": %s, "visits": %s, "cart": %s}\n'):format(
        drsession.getjson(s, "user") or "null",
        drsession.getjson(s, "visits") or "0",
        drsession.getjson(s, "cart") or "[]"))
    return apache2.OK
end
