-- SPDX-License-Identifier: MIT
-- What a call allocates: the part "allocations" of make bench; README.md says how to read it.
-- What is counted does not depend on what else the machine does, so one round is enough.

local drive = require "drive"

---@param kit table functions of run.lua
return function(kit)
  local CALLS = kit.quick and 2000 or 10000
  local COUNTS = [[{"jsonrpc":"2.0","id":1,"method":"tools/call",]]
    .. [["params":{"name":"counts","arguments":{}%s}}]]

  -- `ask` sends a message and gives the answer: what a call of `body` costs.
  local function figures(ask, body, counts)
    local function read()
      local said, found = ask(counts), {}
      for key, value in said:gmatch "(%l+)=(%d+)" do found[key] = tonumber(value) end
      return found.cycles and found or error("counts were answered with: " .. said, 0)
    end
    local function send(from, to)
      for id = from, to do ask((body:gsub("__ID__", id))) end
    end
    send(1000001, 1000500) -- what is made only once has been made
    read()
    local before = read()
    local itself = read()
    send(2000001, 2000000 + CALLS)
    local after = read()
    local each = {}
    for key in pairs(after) do
      -- The reading in between allocates, too.
      each[key] = (after[key] - itself[key] - (itself[key] - before[key])) / CALLS
    end
    each.walked = (after.cycles - itself.cycles) * after.heap / CALLS
    return each
  end

  local function over_http(command, headers_of, body, counts)
    local server = kit.start(command)
    local headers = headers_of(server.port)
    local fd = assert(drive.connect(server.port))
    local each = figures(function(text)
      local own = headers
      if text:find('"counts"', 1, true) and headers[5] then
        own = { table.unpack(headers) }
        own[5] = "Mcp-Name: counts"
      end
      return kit.expect(kit.exchange(fd, "POST", server.port, own, text), "tools/call")
    end, body, counts)
    drive.close(fd)
    kit.stop(server)
    return each
  end

  local function over_stdio(command, body, counts)
    local child = kit.spawn_stdio(command)
    kit.handshake(child)
    local each = figures(function(text) return child:ask(text .. "\n") end, body, counts)
    kit.stop(child)
    return each
  end

  local function rows(name, ours, other)
    for _, it in ipairs {
      { "tables", "%.1f" }, { "strings", "%.1f" }, { "all blocks", "%.1f", "blocks" },
      { "bytes", "%.0f" }, { "bytes traversed", "%.0f", "walked" },
    } do
      local label, format, key = it[1], it[2], it[3] or it[1]
      kit.row(name .. ", " .. label, { ours = format:format(ours[key]),
        other = format:format(other[key]),
        shown = other[key] > 0 and ("%.2f"):format(ours[key] / other[key]) or "" })
    end
  end

  kit.part("allocations", function()
    kit.heading("allocated for a call", "ours", "Lua + cjson")
    local counted = "env COUNT_ALLOCATIONS=1 BUILD=" .. kit.build .. " "
    local bare_http = counted .. kit.build .. "/bench/limit {port} lua bench/counted_handler.lua"
    local session, stateless = kit.call(kit.text), kit.call(kit.text, kit.meta)
    local plain, with_meta = COUNTS:format "", COUNTS:format(',"_meta":' .. kit.meta)
    kit.attempt("HTTP session", function()
      rows("HTTP session",
        over_http(counted .. kit.server_http, kit.open_session, session, plain),
        over_http(bare_http, kit.open_session, session, plain))
    end)
    kit.attempt("HTTP stateless", function()
      rows("HTTP stateless",
        over_http(counted .. kit.server_http, kit.modern_headers, stateless, with_meta),
        over_http(bare_http, kit.modern_headers, stateless, with_meta))
    end)
    kit.attempt("stdio", function()
      rows("stdio", over_stdio(counted .. kit.server_stdio, session, plain),
        over_stdio(counted .. kit.build .. "/bench/echo lua bench/counted_handler.lua", session,
          plain))
    end)
  end)
end
