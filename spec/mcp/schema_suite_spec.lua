-- SPDX-License-Identifier: MIT
-- JSON-Schema-Test-Suite: every required case of 2020-12 and of draft 7, and of the optional ones
-- those about formats that elicitation uses and about ECMA-262 patterns.

local json = require "codecs.json"
local value = require "mcp.value"
local schema = require "mcp.schema"

local folder = (os.getenv "MCP_CORPORA" or "../shared/corpora") .. "/json-schema/"

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

-- Where core and codecs are both loaded, each has its own metatable for arrays.
local function mark(v)
  if type(v) == "table" then
    if getmetatable(v) == json.array_mt then value.array(v) end
    for _, item in next, v do mark(item) end
  end
  return v
end

local function load(path)
  local text = assert(read(path), path)
  return mark((assert(json.decode(text))))
end

local function files(path)
  local list = {}
  local pipe = io.popen(("find '%s' -name '*.json' | sort"):format(path))
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

local missing = not read(folder .. "tests/draft2020-12/ref.json")

local registry = {}
if not missing then
  for _, path in ipairs(files(folder .. "remotes")) do
    registry["http://localhost:1234/" .. path:sub(#folder + #"remotes/" + 1)] = load(path)
  end
end

-- Runs the files of a list; returns how many cases hold, how many there are, and those that do not.
local function run(list, options)
  local good, total, bad = 0, 0, {}
  for _, path in ipairs(list) do
    for _, group in ipairs(load(path)) do
      local validator, message = schema.compile(group.schema, options)
      for _, case in ipairs(group.tests) do
        total = total + 1
        local valid, errors
        if validator then valid, errors = validator(case.data) end
        local said = valid ~= false or type(errors) == "table" and #errors > 0
          and errors[1].keyword ~= "limit"
        if valid == case.valid and said then
          good = good + 1
        else
          bad[#bad + 1] = ("%s: %s: %s%s"):format(path:match "[^/]*$", group.description,
            case.description, message and " (" .. message .. ")" or "")
        end
      end
    end
  end
  return good, total, bad
end

local function required_of(draft)
  local list = {}
  for _, path in ipairs(files(folder .. "tests/" .. draft)) do
    if not path:find("/optional/", 1, true) then list[#list + 1] = path end
  end
  return list
end

local function suite(name, list, expected, options)
  it(name, function()
    if missing then
      pending("SKIPPED: no JSON-Schema-Test-Suite at " .. folder)
      return
    end
    options.registry = registry
    local good, total, bad = run(list(), options)
    print(("JSON-Schema-Test-Suite, %s: %d of %d"):format(name, good, total))
    assert.same({}, bad)
    assert.equal(expected, total)
  end)
end

describe("schema: JSON-Schema-Test-Suite", function()
  suite("draft 2020-12, required", function() return required_of "draft2020-12" end, 1299, {})

  suite("draft 7, required", function() return required_of "draft7" end, 927,
    { dialect = "http://json-schema.org/draft-07/schema#" })

  suite("formats of elicitation, ECMA-262 patterns", function()
    local list = {}
    for _, name in ipairs { "format/email", "format/uri", "format/date", "format/date-time",
      "format/time", "format/ipv4", "format/ipv6", "format/uuid", "format/duration",
      "format/uri-reference", "format/json-pointer", "ecmascript-regex", "non-bmp-regex",
      "float-overflow", "bignum", "format-assertion" } do
      list[#list + 1] = ("%stests/draft2020-12/optional/%s.json"):format(folder, name)
    end
    return list
  end, 565, { formats = true })
end)
