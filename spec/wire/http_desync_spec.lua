-- SPDX-License-Identifier: MIT
-- The corpus http-desync (see its README): requests with a verdict on how safely two readers in a
-- row agree on them. Severe and ambiguous ones must never become a request; compliant ones must,
-- but for those listed here with the reason why we are stricter.
local http = require "codecs.http"

local FOLDER = (os.getenv("MCP_CORPORA") or "../shared/corpora") .. "/http-desync/tests/"
local FILES = { "acceptable", "ambiguous", "bad-header-characters", "edge-cases",
  "more-compliant-tests", "real-life-test-cases", "rfc-compliant", "severe", "single-case",
  "uri-specific-test-cases" }

local CODINGS = "codings other than chunked: we could not decode them (RFC 9112 6.1: 501), and " ..
  "readers differ on lists"
-- Compliant by the corpus, refused by us.
local stricter = {
  ["Different Transfer-Encoding headers"] = CODINGS,
  ["Different Transfer-Encoding headers combined"] = CODINGS,
  ["Transfer-Encoding with a param: chunked;custom_param"] = CODINGS,
  ["Correct TE OK"] = CODINGS,
  ["Transfer-Encoding: identity and chunked OK"] = CODINGS,
  ["Multiple transfer encoding headers in a single request OK"] = CODINGS,
  ["TE with custom parameters OK"] = CODINGS,
  ["Compliant URL"] = "a fragment is never sent (RFC 9112 3.2)",
  ["International in URI"] = "a target is ASCII (RFC 3986 2)",
  ["Empty URI"] = "a target is never empty (RFC 9112 3.2)",
}
-- Not compliant but acceptable by the corpus, taken by us.
local tolerated = {
  ["Get with a body and Content-Length:0"] = "a length of 0 is no body",
}

local ESCAPES = { t = "\t", r = "\r", n = "\n", ["0"] = "\0", ["\\"] = "\\", ['"'] = '"' }

---The value of a YAML scalar as the corpus uses them: plain, 'single' or "double".
local function scalar(text)
  local quoted = text:match('^"(.*)"%s*$')
  if quoted then
    return (quoted:gsub("\\(.)(%x?%x?)", function(kind, hex)
      if kind == "x" then return string.char(tonumber(hex, 16)) end
      return assert(ESCAPES[kind], text) .. hex
    end))
  end
  local single = text:match("^'(.*)'%s*$")
  if single then return (single:gsub("''", "'")) end
  return (text:gsub("%s+$", ""))
end

---Reads one file: a list of { name, uri, method, version, headers, tier, reason }.
local function read(file)
  local cases, case, section = {}, nil, nil
  for line in file:lines() do
    local indent, dash, key, value = line:match("^(%s*)(%-?)%s*([%w_]+):%s*(.-)$")
    if key and not line:match("^%s*#") then
      if #indent == 0 and dash == "-" then
        case = { headers = {}, name = scalar(value) }
        table.insert(cases, case)
        section = nil
      elseif dash == "" and (key == "headers" or key == "expected") and value == "" then
        section = key
      elseif section == "headers" then
        if dash == "-" then table.insert(case.headers, {}) end
        case.headers[#case.headers][key] = scalar(value)
      else
        case[key] = scalar(value)
      end
    end
  end
  return cases
end

local function bytes_of(case)
  local lines = { ("%s %s"):format(case.method, case.uri) }
  if case.version ~= "" then lines[1] = lines[1] .. " " .. case.version end
  local host = false
  for _, field in ipairs(case.headers) do
    host = host or field.name:lower() == "host"
  end
  if not host then table.insert(lines, "Host: localhost") end
  for _, field in ipairs(case.headers) do
    table.insert(lines, field.name .. ": " .. (field.value or ""))
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

---Feeds the head, then the body it announces and another request.
---@return boolean taken, string? why, table? head
local function try(bytes, step)
  local d = http.new()
  local head
  for i = 1, #bytes, step do
    d:feed(bytes:sub(i, i + step - 1))
    repeat
      local kind, code = d:next()
      if not kind then return false, code .. ": " .. d:why() end
      if kind == "start" then
        assert(not head, "two requests out of one")
        head = d:head()
      end
    until kind == "more"
  end
  if not head then return false, "incomplete" end
  local body = head.chunked and "3\r\nabc\r\n0\r\n\r\n"
    or ("x"):rep(math.max(head.content_length, 0))
  d:feed(body .. "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n")
  local seen
  repeat
    local kind, code = d:next()
    assert(kind, code)
    if kind == "start" then seen = d:head().target end
  until kind == "more"
  assert(seen == "/second", "what follows was read as its body, or the reverse")
  return true, nil, head
end

describe("HTTP desync corpus", function()
  local probe = io.open(FOLDER .. "severe.yaml")
  if not probe then
    it("is there", function()
      pending("SKIPPED: no corpus at " .. FOLDER .. " (set MCP_CORPORA); 159 cases not run")
    end)
    return
  end
  probe:close()

  local count, by_name = 0, {}
  for _, name in ipairs(FILES) do
    local file = assert(io.open(FOLDER .. name .. ".yaml"))
    local cases = read(file)
    file:close()
    for _, case in ipairs(cases) do
      count, by_name[case.name] = count + 1, case
      it(("%s: %s [%s, %s]"):format(name, case.name, case.tier, case.reason), function()
        local bytes = bytes_of(case)
        local taken, why, head = try(bytes, #bytes)
        assert.are.equal(taken, (try(bytes, 1)), "byte by byte")
        if case.tier == "Compliant" then
          if stricter[case.name] then
            assert.is_false(taken, "no longer refused: take it off the list")
            assert.are_not.equal("incomplete", why)
          else
            assert.is_true(taken, why)
            assert.are.equal(case.method, head.method_name)
            assert.are.equal(case.uri, head.target)
            assert.are.equal(#case.headers + 1, #head.headers)
          end
        elseif case.tier == "Acceptable" then
          assert.are.equal(tolerated[case.name] ~= nil, taken, why)
        else
          assert.is_true(case.tier == "Ambiguous" or case.tier == "Severe", case.tier)
          assert.is_false(taken, "an ambiguous request was taken")
        end
      end)
    end
  end

  it("was read completely, and both lists are needed", function()
    assert.is_true(count >= 159, count .. " cases")
    for tier, list in pairs { Compliant = stricter, Acceptable = tolerated } do
      for name in pairs(list) do
        local case = by_name[name]
        assert.equal(tier, case and case.tier, "not needed: " .. name)
        local bytes = bytes_of(case)
        assert.equal(list == tolerated, (try(bytes, #bytes)), "not needed: " .. name)
      end
    end
  end)
end)
