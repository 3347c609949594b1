-- SPDX-License-Identifier: MIT
-- document: `luamcp run api.yaml` and `luamcp check api.yaml`: an OpenAPI document without a line
-- of Lua. The settings of app:openapi that make sense on a command line; secrets come from the
-- environment, because the words of a command line can be read by every user of a machine.
local document = {}

-- With more tools the list is sent in pages.
local PAGE = 100
-- Warnings that are printed when a document is served; `luamcp check` shows all.
local SHOWN = 5

---Options with a value: what they are called here, and what to say when the value is missing.
document.WITH_VALUE = {
  ["--base-url"] = { "base_url", "an address" },
  ["--credential"] = { "credential", "SCHEME=VARIABLE" },
  ["--field"] = { "field", "NAME:VALUE" },
  ["--only"] = { "only", "a tag, an operationId or a path" },
}

---Adds the options to a parser.
---@param parser table of argparse
function document.define(parser)
  parser:option "--base-url" :argname "ADDRESS"
    :description "OpenAPI document: where the API is."
  parser:option "--credential" :argname "[SCHEME=]VARIABLE" :count "*"
    :description "OpenAPI document: the variable of the environment with a credential."
  parser:option "--field" :argname "NAME:VALUE" :count "*"
    :description "OpenAPI document: a header field for each request; ${VARIABLE} is replaced."
  parser:option "--only" :argname "WORD" :count "*"
    :description("OpenAPI document: only operations with this tag or operationId, or this path, "
      .. "such as 'GET /pets/*'.")
  parser:flag "--read-only" :description "OpenAPI document: only GET."
end

-- --- settings ---------------------------------------------------------------------------------

-- A pattern of Lua for a text in which "*" stands for anything.
local function pattern_of(text)
  return "^" .. text:gsub("%W", "%%%0"):gsub("%%%*", ".*") .. "$"
end

-- A function that says whether an operation fits one of the words; nil: all do.
local function filter_of(words)
  if not words or not words[1] then return nil end
  local list = {}
  for i, word in ipairs(words) do
    local method, path = word:match "^(%u+) +(/.*)$"
    path = path or word:match "^/.*$"
    list[i] = { method = method, path = path and pattern_of(path),
      name = not path and pattern_of(word) or nil }
  end
  return function(op)
    for _, each in ipairs(list) do
      if each.path then
        if op.path:find(each.path) and (not each.method or each.method == op.method) then
          return true
        end
      elseif op.id and op.id:find(each.name) then
        return true
      else
        for _, tag in ipairs(op.tags) do
          if tag:find(each.name) then return true end
        end
      end
    end
    return false
  end
end

local function rules_of(given)
  local fits = filter_of(given.only)
  if not fits and not given.read_only then return nil end
  return function(op)
    if given.read_only and op.method ~= "GET" and op.method ~= "QUERY" then return "exclude" end
    if fits and not fits(op) then return "exclude" end
  end
end

local function variable(name)
  local text = os.getenv(name)
  if not text or text == "" then
    error(("the environment has no variable %s"):format(name), 0)
  end
  return text
end

-- Credentials by scheme. A variable without a scheme is for the only one that there is.
local function credentials_of(words, root)
  local out, schemes = {}, {}
  local components = type(root.components) == "table" and root.components or {}
  for name in pairs(type(components.securitySchemes) == "table" and components.securitySchemes
    or {}) do
    schemes[#schemes + 1] = name
  end
  table.sort(schemes)
  for _, word in ipairs(words or {}) do
    local scheme, name = word:match "^([^=]+)=(.+)$"
    if not scheme then
      if #schemes ~= 1 then
        error(("--credential: expected SCHEME=VARIABLE, since the document has %s"):format(
          #schemes == 0 and "no security scheme; see --field"
          or "the schemes " .. table.concat(schemes, ", ")), 0)
      end
      scheme, name = schemes[1], word
    end
    out[scheme] = variable(name)
  end
  return next(out) and out or nil
end

local function fields_of(words)
  local out = {}
  for _, word in ipairs(words or {}) do
    local name, text = word:match "^([^:%s]+):%s*(.*)$"
    if not name then error(("--field: expected NAME:VALUE, got %s"):format(word), 0) end
    out[name] = text:gsub("%${([%w_]+)}", variable)
  end
  return next(out) and out or nil
end

-- --- making the app ---------------------------------------------------------------------------

-- A warning as the command line has it.
local function worded(text)
  text = text:gsub("set auth = { (.-) = … }", "--credential %1=VARIABLE names the variable with it")
  return require("mcp.cli.terminal").clean((text:gsub("give base_url", "give --base-url")))
end

---An app of a document. Raises (level 0) what is wrong.
---@param path string
---@param given table base_url, credential, field, only (lists), read_only
---@return mcp.App app
---@return mcp.OpenApiReport report
function document.app(path, given)
  local opened, text = require("mcp.openapi.document").open(path)
  if not opened then error(text, 0) end
  local info = type(opened.root.info) == "table" and opened.root.info or {}
  local settings = { base_url = given.base_url, rules = rules_of(given),
    auth = credentials_of(given.credential, opened.root), headers = fields_of(given.field) }
  local count = 0
  for _ in pairs(type(opened.root.paths) == "table" and opened.root.paths or {}) do
    count = count + 1
  end
  local name = type(info.title) == "string" and info.title ~= "" and info.title
    or path:match "([^/]+)%.%w+$" or path
  local app = require("mcp.server").new { name = name, version = tostring(info.version or "0.0.0"),
    page_size = count > PAGE and PAGE or nil }
  local ok, report = pcall(app.openapi, app, opened, settings)
  if not ok then
    error((tostring(report):gsub("^[^%s:]+:%d+: ", ""):gsub("^app:openapi: ", "")), 0)
  end
  return app, report
end

---Serves a document.
---@param path string
---@param given table as for `app`
function document.serve(path, given)
  local app, report = document.app(path, given)
  for i, warning in ipairs(report.warnings) do
    if i > SHOWN then
      io.stderr:write(("luamcp: %d more warnings; luamcp check %s shows them\n"):format(
        #report.warnings - SHOWN, path))
      break
    end
    io.stderr:write("luamcp: warning: ", worded(warning), "\n")
  end
  app:run()
end

-- --- checking ---------------------------------------------------------------------------------

-- Defects that show only when what clients see is made, and when schemas are compiled.
local function look_at_all(app)
  for _, entry in ipairs(app.tools.order) do
    local _ = entry.definition and entry.check and entry.check_answer
  end
end

---Prints what becomes of each operation of a document.
---@param options table of the parser of `luamcp check`
---@return integer status
function document.check(options)
  local exit, show = require "mcp.cli.exit", require "mcp.cli.show"
  local terminal = require "mcp.cli.terminal"
  local ok, app, report = pcall(document.app, options.file, options)
  if not ok then return exit.fail(exit.OTHER, tostring(app), "EDOCUMENT") end
  look_at_all(app)
  if options.json then
    local value = require "mcp.value"
    show.json { title = report.title, version = report.version,
      operations = value.array(report.operations), warnings = value.array(report.warnings) }
  else
    local signature = require("mcp.cli.arguments").signature
    for _, each in ipairs(report.operations) do
      local entry = each.as == "tool" and app.tools.by_name[each.name]
      io.stdout:write(("%-7s %-40s %s%s\n"):format(each.method, terminal.line(each.path),
        each.as == "exclude" and "excluded"
          or each.as .. " " .. terminal.paint(1, "bold", terminal.line(each.name)),
        entry and terminal.line(signature(entry.definition.inputSchema)) or ""))
    end
  end
  for _, warning in ipairs(report.warnings) do
    io.stderr:write("luamcp: warning: ", worded(warning), "\n")
  end
  return options.strict and report.warnings[1] and exit.OTHER or exit.OK
end

return document
