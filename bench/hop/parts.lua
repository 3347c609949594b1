-- SPDX-License-Identifier: MIT
-- What a gateway costs: the parts "hop" and "hop list" of make bench. ../README.md says how to read
-- them.
--
-- The same calls of `echo` go to a server directly and through gateways to that server: ours, and
-- others if they are installed (scripts/deps hop). One call at a time, so that the added latency is
-- that of one hop; processor time is that of the gateway's process alone.

local NODE_MODULES = "/node/node_modules/"

-- Figures of a gateway beside the direct way to the same server.
---@param kit table functions of ../run.lua
return function(kit)
  local build, part, median, pick = kit.build, kit.part, kit.median, kit.pick

  local node = build .. NODE_MODULES .. ".bin/node"
  local function package_of(name, script)
    local path = build .. NODE_MODULES .. name .. "/" .. script
    local file = io.open(path)
    if not file then return nil end
    file:close()
    return path
  end

  local function config(server)
    return kit.save("hop.json", ('{"mcpServers":{"up":%s}}'):format(server))
  end

  -- An element of a JSON array for each word.
  local function command_json(command)
    local list = kit.words(command)
    local rest = {}
    for i = 2, #list do rest[i - 1] = ("%q"):format(list[i]) end
    return ('{"command":%q,"args":[%s]}'):format(list[1], table.concat(rest, ","))
  end

  local function ours(name, server)
    return { name = "luamcp" .. name, tool = "up_echo",
      command = ("%s gateway %s --http 127.0.0.1:{port}"):format(kit.program, config(server)) }
  end

  -- Calls `tool` of a server at a port, in a session or without; microseconds.
  local function caller(server, tool, era)
    local headers, body
    if era == "session" then
      headers, body = kit.open_session(server.port), kit.call(kit.text)
    else
      headers, body = kit.modern_headers(), kit.call(kit.text, kit.meta)
      headers[#headers] = "Mcp-Name: " .. tool
    end
    body = body:gsub('"name":"echo"', ('"name":"%s"'):format(tool))
    local file = kit.save(("hop-%s-%s.body"):format(tool, era), body)
    local raw = kit.once(server.port, "POST", headers, (body:gsub("__ID__", "1000000")), tool)
    if not raw:find(kit.text, 1, true) then error("tools/call was answered with: " .. raw, 0) end
    return function() return kit.talk(server, "http", server.port, 1, file, headers) end
  end

  -- The least of the rounds: what other programs of the machine add falls out.
  local function least(list)
    local found = list[1]
    for _, figure in ipairs(list) do found = math.min(found, figure) end
    return found
  end

  -- Prints two rows for each gateway, beside the direct way.
  local function report(order, samples)
    local direct = samples.direct
    for _, name in ipairs(order) do
      local mine, added = samples[name], {}
      for i = 1, #mine do added[i] = mine[i].p50 - direct[i].p50 end
      local goal = name:find "^luamcp"
      local costs = pick(mine, "cost")
      local latency, cost = median(added), median(costs) * 1e6
      kit.row(name .. ", latency", { ours = ("+%.0f us"):format(latency),
        other = ("%.0f us"):format(median(pick(direct, "p50"))), figure = latency,
        at_most = goal and 150 or nil, budget = "+150 us", note = "p50" .. kit.trouble(mine) })
      kit.row(name .. ", processor time", { ours = ("%.0f us"):format(cost),
        other = ("%.0f us"):format(median(pick(direct, "cost")) * 1e6), figure = cost,
        at_most = goal and 60 or nil, budget = "60 us",
        note = ("a call, at least %.0f us"):format(least(costs) * 1e6) })
    end
  end

  local function compare(title, direct, gateways)
    kit.heading(title, "hop", "direct")
    local sides, started, order = { direct = direct }, {}, {}
    for _, it in ipairs(gateways) do
      kit.attempt(it.name, function()
        local server = kit.start(it.command)
        started[#started + 1] = server
        sides[it.name] = caller(server, it.tool or "echo", it.era)
        if not kit.quick then sides[it.name]() end -- a compiler warms up
        order[#order + 1] = it.name
      end)
    end
    report(order, kit.interleave(sides))
    kit.stop(table.unpack(started))
  end

  local function left_out(name, word)
    io.write(("  %-34s is not installed: scripts/deps %s\n"):format(name, word))
  end

  part("hop", function()
    for _, era in ipairs { "session", "stateless" } do
      local server = kit.start(kit.server_http)
      local url = ("http://127.0.0.1:%d/mcp"):format(server.port)
      local list = { ours("", ('{"url":%q}'):format(url)),
        { name = "bare relay",
          command = ("%s/bench/relay {port} %d"):format(build, server.port) } }
      local python = build .. "/python3/bin/python"
      if os.execute(python .. " -c 'import fastmcp' 2>/dev/null") then
        list[3] = { name = "FastMCP create_proxy",
          command = ("%s bench/hop/fastmcp_proxy.py {port} %s"):format(python, url) }
      else
        left_out("FastMCP create_proxy", "hop")
      end
      for _, it in ipairs(list) do it.era = era end
      compare("one hop to a server over HTTP, " .. era, caller(server, "echo", era), list)
      kit.stop(server)
    end
  end)

  part("hop stdio", function()
    for _, era in ipairs { "session", "stateless" } do
      local child = kit.spawn_stdio(kit.server_stdio)
      kit.handshake(child)
      local direct = function()
        return kit.measure(child, function()
          return child:ping(kit.call(kit.text, era == "stateless" and kit.meta or nil), kit.seconds)
        end)
      end
      local list = { ours("", command_json(kit.server_stdio)) }
      local super = package_of("supergateway", "dist/index.js")
      if super and era == "session" then
        list[#list + 1] = { name = "npm supergateway", command = { node, super, "--stdio",
          kit.server_stdio, "--outputTransport", "streamableHttp", "--stateful", "--logLevel",
          "none", "--port", "{port}" } }
      elseif not super then
        left_out("npm supergateway", "hop")
      end
      local other = package_of("mcp-proxy", "dist/bin/mcp-proxy.mjs")
      if other then
        list[#list + 1] = { name = "npm mcp-proxy", command = ("%s %s --host 127.0.0.1 --server "
          .. "stream --port {port} -- %s"):format(node, other, kit.server_stdio) }
      else
        left_out("npm mcp-proxy", "hop")
      end
      for _, it in ipairs(list) do it.era = era end
      compare("one hop to a server over stdio, " .. era, direct, list)
      kit.stop(child)
    end
  end)

  part("hop list", function()
    kit.heading("tools/list of 2,000 tools", "100 mounts", "plain")
    local small = kit.start(kit.server_http, { "TOOLS=20" })
    local plain = kit.start(kit.server_http, { "TOOLS=2000" })
    local url, servers = ("http://127.0.0.1:%d/mcp"):format(small.port), {}
    for i = 1, 100 do servers[i] = ('"m%03d":{"url":%q}'):format(i, url) end
    local mounts = kit.start(kit.program .. " run bench/hop/mounts.lua --http 127.0.0.1:{port}",
      { "URL=" .. url, "MOUNTS=100" })
    -- Each of its servers is an app of its own, too.
    local gateway = kit.start(("%s gateway %s --http 127.0.0.1:{port}"):format(kit.program,
      kit.save("hop-list.json", ('{"mcpServers":{%s}}'):format(table.concat(servers, ",")))))
    local body = kit.save("list.body", kit.list)
    local function load_of(server)
      local headers = kit.open_session(server.port)
      local raw = kit.once(server.port, "POST", headers, (kit.list:gsub("__ID__", "1000000")),
        "tools/list")
      local count = select(2, raw:gsub('"inputSchema"', ""))
      if count ~= 2000 then error(("tools/list has %d tools, expected 2000"):format(count), 0) end
      return function() return kit.wrk(server, 4, body, headers) end
    end
    local samples = kit.interleave { mounts = load_of(mounts), gateway = load_of(gateway),
      other = load_of(plain) }
    for _, it in ipairs { { "mounts", "app:mount" }, { "gateway", "luamcp gateway" } } do
      local mine = samples[it[1]]
      local figure, cost = kit.ratio(mine, samples.other, "cost"), median(pick(mine, "cost"))
      kit.row("from cache, " .. it[2], { ours = ("%.0f us"):format(cost * 1e6),
        other = ("%.0f us"):format(median(pick(samples.other, "cost")) * 1e6),
        shown = ("%.2f"):format(figure), figure = figure, at_most = 1.3, budget = "1.30",
        note = "by cpu" .. kit.trouble(mine) })
    end
    kit.stop(small, plain, mounts, gateway)
  end)
end
