-- SPDX-License-Identifier: MIT
-- sandbox: what runs a script of a model, in a worker's process of its own (worker.confined). One
-- function without outer local variables, because it is sent there: it gets the libraries of code
-- that is not trusted (src/lua/worker_lib.c), makes the environment of scripts out of them, and
-- asks the server for each call of a tool. Nothing here protects the server: the process, its
-- limits and the server's own checks do. What scripts lack is listed in docs/code-mode.md.

-- luacheck: ignore 122
return function()
  local error, getmetatable, load = error, getmetatable, load
  local next, pairs, pcall, rawequal = next, pairs, pcall, rawequal
  local setmetatable, tostring, type = setmetatable, tostring, type
  local concat, pack, unpack = table.concat, table.pack, table.unpack
  local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status,
    coroutine.yield
  local running, isyieldable = coroutine.running, coroutine.isyieldable
  local find, format, sub, byte = string.find, string.format, string.sub, string.byte
  local null -- what JSON has for nothing, set below

  -- --- text ------------------------------------------------------------------------------------

  -- As tostring, without addresses.
  local function text_of(value)
    local kind = type(value)
    if kind == "userdata" and rawequal(value, null) then return "null" end
    if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
      return tostring(value)
    end
    local mt = getmetatable(value)
    if type(mt) == "table" and mt.__tostring then return tostring(value) end
    return kind
  end

  -- string.format, without addresses.
  local function safe_format(pattern, ...)
    if type(pattern) == "string" and find(pattern, "%%[-+ #0]*%d*%.?%d*p") then
      error("string.format: %p is not available: scripts see no addresses", 2)
    end
    local args = pack(...)
    for i = 1, args.n do
      local kind = type(args[i])
      if kind ~= "string" and kind ~= "number" then args[i] = text_of(args[i]) end
    end
    return format(pattern, unpack(args, 1, args.n))
  end

  -- At most `size` bytes of a text, and whether that is all.
  local function cut(text, size)
    if #text <= size then return text, true end
    while size > 0 and (byte(text, size + 1) or 0) & 0xC0 == 0x80 do size = size - 1 end
    return sub(text, 1, size), false
  end

  -- Objects without their nulls: a member that is null is absent, as in Lua.
  local function without_nulls(value)
    if type(value) ~= "table" then return value end
    for key, member in next, value do
      if type(member) == "table" then
        without_nulls(member)
      elseif rawequal(member, null) and type(key) == "string" then
        value[key] = nil
      end
    end
    return value
  end

  -- --- asking the server -----------------------------------------------------------------------

  local ctx, last_id = nil, 0
  local arrived = {} -- replies that their caller has not taken, by id
  local branch -- the coroutine of parallel that runs now
  local WAIT = {} -- what a branch yields while it waits

  local function receive()
    local id, ok, value = ctx:receive()
    arrived[id] = { ok, value }
    return id
  end

  local function take(id)
    local reply = arrived[id]
    arrived[id] = nil
    return reply[1], reply[2]
  end

  -- Sends a request and waits for its reply. A branch of parallel lets the others run meanwhile.
  local function request(...)
    last_id = last_id + 1
    local id = last_id
    local sent, text = ctx:ask(id, ...)
    if not sent then error("the arguments cannot be sent: " .. text, 0) end
    while not arrived[id] do
      if branch and running() == branch and isyieldable() then
        yield(WAIT, id)
      else
        receive()
      end
    end
    return take(id)
  end

  -- The same, and raises what went wrong at the line of the script. Only ever tail-called by a
  -- function of scripts, so that is level 2.
  local function wanted(...)
    local sent, ok, value = pcall(request, ...)
    if not sent then
      local reason = type(ok) == "string" and ok:match "cannot be sent: (.*)$"
      error(reason and "arguments: " .. reason or ok, 2)
    end
    if not ok then error(value, 2) end
    return without_nulls(value)
  end

  -- --- parallel --------------------------------------------------------------------------------

  -- Runs a branch until it waits or ends; returns the id that it waits for.
  local function step(co, fn)
    local outer = branch
    branch = co
    local ok, first, id = resume(co, fn)
    branch = outer
    if not ok then return nil, { false, first } end
    if status(co) == "dead" then return nil, { true, first } end
    if first == WAIT then return id end
    return nil, { false, "coroutine.yield outside of a coroutine" }
  end

  local function parallel(functions)
    if type(functions) ~= "table" then
      error("parallel: expected a table of functions, got " .. type(functions), 2)
    end
    local count, waiting, ended, open = #functions, {}, {}, 0
    local function run(i, co, fn)
      local id, outcome = step(co, fn)
      ended[i] = outcome
      if id then
        waiting[id] = { i, co }
        open = open + 1
      end
    end
    for i = 1, count do
      if type(functions[i]) ~= "function" then
        error(format("parallel: [%d]: expected a function, got %s: write function() return "
          .. "tools.name { … } end", i, type(functions[i])), 2)
      end
    end
    for i = 1, count do
      run(i, create(function(fn) return fn() end), functions[i])
    end
    while open > 0 do
      local id
      for each in pairs(waiting) do
        if arrived[each] then id = each end
      end
      id = id or receive()
      local back = waiting[id]
      if back then
        waiting[id], open = nil, open - 1
        run(back[1], back[2])
      end
    end
    local results = {}
    for i = 1, count do
      if not ended[i][1] then
        local text = ended[i][2]
        error(type(text) == "string" and format("parallel: [%d]: %s", i, text) or text, 0)
      end
      results[i] = ended[i][2]
      if results[i] == nil then results[i] = null end
    end
    return results
  end

  -- --- what a script has -----------------------------------------------------------------------

  local tools = setmetatable({}, { __name = "tools", __metatable = false,
    __newindex = function() error("tools cannot be changed", 2) end,
    __index = function(self, name)
      if type(name) ~= "string" then error("tools: expected the name of a tool", 2) end
      return function(args, more)
        if rawequal(args, self) then
          error(format("tools.%s is called with a dot, not with a colon", name), 2)
        end
        if more ~= nil or args ~= nil and type(args) ~= "table" then
          error(format("tools.%s: expected one table of arguments: tools.%s { name = value }",
            name, name), 2)
        end
        return wanted("call", name, args or {})
      end
    end })

  local function search(query, limit)
    if type(query) ~= "string" then error("search: expected words, got " .. type(query), 2) end
    if limit ~= nil and math.type(limit) ~= "integer" then
      error("search: expected a whole number second", 2)
    end
    return wanted("search", query, limit)
  end

  local function schema(name)
    if type(name) ~= "string" then error("schema: expected a name, got " .. type(name), 2) end
    return wanted("schema", name)
  end

  local function environment(printed)
    local env = {}
    for name in ([[assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen rawset
      select setmetatable tonumber type xpcall _VERSION coroutine math os string table
      utf8]]):gmatch "%S+" do
      env[name] = _G[name]
    end
    string.format = safe_format
    env.tostring = text_of
    env.tools, env.search, env.schema, env.parallel = tools, search, schema, parallel
    env.json = {
      null = null,
      encode = function(value)
        local text, message = ctx.json_encode(value, true)
        if not text then error("json.encode: " .. message, 2) end
        return text
      end,
      decode = function(text)
        if type(text) ~= "string" then
          error("json.decode: expected a string, got " .. type(text), 2)
        end
        local value, message = ctx.json_decode(text)
        if value == nil then error("json.decode: " .. message, 2) end
        return without_nulls(value)
      end,
    }
    env.print = function(...)
      local words = pack(...)
      for i = 1, words.n do
        local text = text_of(words[i])
        words[i] = text == "table" and ctx.json_encode(words[i], true) or text
      end
      printed(concat(words, "\t"))
    end
    env._G = env
    return setmetatable(env, { __metatable = false, __index = function(_, name)
      error(format("there is no %s here: tools are tools.NAME { … }, and variables are set before "
        .. "they are read", text_of(name)), 2)
    end })
  end

  -- --- running ---------------------------------------------------------------------------------

  -- What a script has returned, as text.
  local function returned_text(values, limit)
    local lines = {}
    for i = 1, values.n do
      local value = values[i]
      if type(value) == "string" then
        lines[#lines + 1] = value
      elseif value ~= nil then
        local text, message = ctx.json_encode(value, true)
        if not text and type(value) == "number" then text = tostring(value) end
        if not text then
          error(format("what the script returned cannot be sent: %s", message), 0)
        end
        lines[#lines + 1] = text
      end
    end
    local text = concat(lines, "\n")
    local shown, all = cut(text, limit)
    if all then return shown end
    return format("%s\n[cut: %d of %d bytes; return less]", shown, #shown, #text)
  end

  ---Runs one script.
  ---@param job table code, output (bytes), null
  ---@return table printed, returned: texts; failed: what ended it
  return function(job, given)
    ctx, null = given, job.null
    local lines, size, lost = {}, 0, 0
    local env = environment(function(line)
      if size + #line >= job.output then
        lost = lost + #line + 1
        return
      end
      size = size + #line + 1
      lines[#lines + 1] = line
    end)
    local fn, message = load("return " .. job.code, "=script", "t", env)
    if not fn then fn, message = load(job.code, "=script", "t", env) end
    local outcome = {}
    if not fn then
      outcome.failed = message
    else
      local values = pack(pcall(fn))
      local ok, text
      if values[1] then
        ok, text = pcall(returned_text, pack(unpack(values, 2, values.n)), job.output)
        if ok then outcome.returned = text else outcome.failed = text end
      else
        ok, text = pcall(text_of, values[2])
        outcome.failed = ok and (text == "table" and ctx.json_encode(values[2], true) or text)
          or "an error whose text cannot be read"
      end
    end
    if outcome.failed then outcome.failed = cut(outcome.failed, job.output) end
    local room = job.output - #(outcome.returned or outcome.failed)
    local printed = concat(lines, "\n")
    local shown = cut(printed, room < 0 and 0 or room)
    if #shown < #printed or lost > 0 then
      shown = format("%s\n[cut: %d of %d bytes printed; print less]", shown, #shown,
        #printed + lost)
    end
    outcome.printed = shown
    return outcome
  end
end
