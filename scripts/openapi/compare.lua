-- SPDX-License-Identifier: MIT
-- compare.lua FOLDER: imports the public documents in FOLDER, and calls an API in every style; with
-- FastMCP beside, in the tables that docs/openapi.md shows. Ends with status 1 if a request of ours
-- is not what it should be.
local mcp = require "mcp"

local folder = arg[1]
local here = arg[0]:match "^(.*)/"
local python = folder .. "/venv/bin/python"

local DOCUMENTS = { "petstore.json", "train-travel.yaml", "blockfrost.yaml", "stripe.json",
  "openai.yaml", "github.json" }

-- Calls that are measured.
local COUNT = 500

local function read_json(path)
  local file <close> = assert(io.open(path))
  return assert(mcp.json.decode(file:read "a"))
end

-- The port of an API that answers with what it was asked, and a function that ends it.
local function echo()
  local name = folder .. "/port"
  os.remove(name)
  local process = assert(mcp.process.start { "python3", here .. "/echo.py", name })
  for _ = 1, 500 do
    local file = io.open(name)
    local port = file and file:read "n"
    if file then file:close() end
    if port then return port, function() process:kill() end end
    mcp.sleep(0.02)
  end
  error "the API does not start"
end

-- "+" and "%20" are the same in a query; so are "%2c" and "%2C".
local function normal(target)
  local path, query = target:match "^([^?]*)(.*)$"
  return (path .. query:gsub("%+", "%%20")):gsub("%%%x%x", string.upper)
end

-- What is wrong with a request, by what is expected; nil if nothing is.
local function wrong_with(row, got)
  if got.error then return tostring(got.error):gsub("%s+", " "):sub(1, 60) end
  if row.target and normal(got.target) ~= row.target then return got.target end
  for name, field in pairs(row.headers or {}) do
    if got.headers[name] ~= field then return ("%s: %s"):format(name, got.headers[name]) end
  end
  if row.json and mcp.json.encode(assert(mcp.json.decode(got.body)), { sorted = true })
    ~= mcp.json.encode(row.json, { sorted = true }) then
    return got.body
  end
  if row.form and normal("?" .. got.body) ~= "?a=x%20y&list=1&list=2" then return got.body end
  if row.part and not got.body:find(row.part, 1, true) then return "no file name, no type" end
  return nil
end

local function ours(app, rows)
  local client <close> = assert(mcp.connect(app))
  local out = {}
  for i, row in ipairs(rows) do
    local result = assert(client:call_tool(row.tool, row.arguments))
    out[i] = result.isError and { error = result.content[1].text } or result.structuredContent
  end
  return out
end

local function fastmcp(...)
  local command = { python, here .. "/with_fastmcp.py", ... }
  command.timeout, command.limit = 500, 16 << 20
  local done = assert(mcp.process.run(command))
  if done.code ~= 0 then error("FastMCP: " .. done.stderr) end
  local out = {}
  for line in done.stdout:gmatch "[^\n]+" do out[#out + 1] = assert(mcp.json.decode(line)) end
  return out
end

local failed = 0

local function shown(wrong) return wrong and "`" .. wrong:gsub("|", "\\|") .. "`" or "yes" end

local function calls(port)
  local styles, rows = here .. "/styles.yaml", read_json(here .. "/calls.json")
  local base = ("http://127.0.0.1:%d"):format(port)
  local app = mcp.server "styles"
  app:openapi(styles, { base_url = base })
  local mine = ours(app, rows)
  local theirs = fastmcp("calls", base, styles, here .. "/calls.json")
  print "| in the request | luamcp | FastMCP |\n|---|---|---|"
  for i, row in ipairs(rows) do
    local wrong = wrong_with(row, mine[i])
    if wrong then failed = failed + 1 end
    print(("| %s | %s | %s |"):format(row.row, shown(wrong), shown(wrong_with(row, theirs[i]))))
  end
end

-- Processor time of a call through memory, without the API's.
local function cost(port)
  local styles, base = here .. "/styles.yaml", ("http://127.0.0.1:%d"):format(port)
  local app = mcp.server "cost"
  app:openapi(styles, { base_url = base })
  local client <close> = assert(mcp.connect(app))
  local started = os.clock()
  for _ = 1, COUNT do assert(client:call_tool("queryForm", { a = "x", b = { "y", "z" } })) end
  print(("a call: luamcp %.2f ms, FastMCP %.2f ms"):format((os.clock() - started) / COUNT * 1000,
    fastmcp("cost", base, styles, "queryForm", '{"a":"x","b":["y","z"]}', COUNT)[1].cost * 1000))
end

-- The public documents of all styles, called in each of them.
local function public(port)
  for _, name in ipairs { "styles-3.0.json", "styles-3.1.json" } do
    local rows, good = read_json(here .. "/public.json"), 0
    local app = mcp.server "public"
    app:openapi(folder .. "/" .. name, { base_url = ("http://127.0.0.1:%d"):format(port) })
    for _, row in ipairs(rows) do
      row.tool = row.row
      row.arguments = { primitive = "v w", array = { "x,y", "z" },
        object = { name = "n", description = "d e" } }
      local properties = app.tools.by_name[row.tool].definition.inputSchema.properties
      for argument in pairs(row.arguments) do
        if not properties[argument] then row.arguments[argument] = nil end
      end
    end
    for i, got in ipairs(ours(app, rows)) do
      local wrong = wrong_with(rows[i], got)
      if wrong then
        failed = failed + 1
        print(rows[i].row, wrong)
      else
        good = good + 1
      end
    end
    print(("%s: %d of %d operations are called as OpenAPI has it"):format(name, good, #rows))
  end
end

local function import(name)
  local app = mcp.server { name = "import", page_size = 50 }
  local started = os.clock()
  local report = app:openapi(folder .. "/" .. name, { base_url = "http://127.0.0.1:9" })
  local imported = os.clock() - started
  local client <close> = assert(mcp.connect(app))
  started = os.clock()
  local tools = assert(client:list_tools())
  local listed = os.clock() - started
  local bytes, outputs, unchecked = 0, 0, 0
  for _, tool in ipairs(tools) do
    bytes = bytes + #mcp.json.encode(tool)
    if tool.outputSchema then outputs = outputs + 1 end
  end
  for _, entry in ipairs(app.tools.order) do
    local schema = require "mcp.schema"
    if not schema.compile(entry.definition.inputSchema) then unchecked = unchecked + 1 end
    if not entry.check_answer and entry.definition.outputSchema then unchecked = unchecked + 1 end
  end
  return { tools = #report.operations, import = imported, list = listed, bytes = bytes,
    outputs = outputs, unchecked = unchecked }
end

local function documents()
  local paths = {}
  for i, name in ipairs(DOCUMENTS) do paths[i] = folder .. "/" .. name end
  local theirs = fastmcp("import", table.unpack(paths))
  print "| document | tools | import | first list | bytes of the list | FastMCP: tools | import | \z
    first list | bytes |\n|---|---|---|---|---|---|---|---|---|"
  for i, name in ipairs(DOCUMENTS) do
    local mine, other = import(name), theirs[i]
    if mine.unchecked > 0 then
      failed = failed + 1
      print(name, mine.unchecked .. " schemas cannot be compiled")
    end
    print(("| %s | %d | %.2f s | %.2f s | %d | %s |"):format(name, mine.tools, mine.import,
      mine.list, mine.bytes, other.error and other.error:sub(1, 40) .. "… | | |"
      or ("%d | %.2f s | %.2f s | %d"):format(other.tools, other.read + other.import, other.list,
        other.bytes)))
  end
end

local port, stop = echo()
calls(port)
print()
public(port)
cost(port)
stop()
print()
documents()
os.exit(failed == 0, true)
