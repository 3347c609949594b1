-- SPDX-License-Identifier: MIT
-- uri_matcher.lua: takes the values out of an address, by the parsed template that uri.lua gives
-- it. Knows nothing of template syntax, nor of limits: uri.lua has seen to them.
--
-- RFC 6570 defines expansion only. Matching is a definition of ours:
--   * One pass, no backtracking. Variables before the multi-segment one ({+a} or {/a*}; at most
--     one) take as little as they can from the left, those after it as little as they can from
--     the right, and it takes what is between. Without one, the last variable takes the rest:
--     {name}.{ext} on "a.tar.gz" is "a" and "tar.gz", {+path}.{ext} on it is "a.tar" and "gz".
--   * {a}, {.a} and {/a} need at least one byte and never take "/", "?" or "#" (nor, after a
--     literal "?", "&"); {+a} needs one byte and takes everything, but "?" and "#" only where the
--     template has no query or fragment after it. {x,y} has exactly two fields.
--   * {?…} {&…} {;…} parameters may come in any order and may be missing. Unknown ones, and
--     one twice unless exploded, are no match: a resource has one address, and a parameter that
--     is never read is a mistake to report. "+" is a plus sign, not a space.
--   * {a*} is a list of strings; a missing list or parameter is nil. {a:3} cannot be matched.
--   * Literals compare byte for byte: uri.lua gives template and address in normal form. Values are
--     percent-decoded exactly once; a bad escape, a NUL or bad UTF-8 in one is no match. A decoded
--     value may hold "/" and "..": call `file_path_safe` before using it as a file name.
local byte, char, sub, find = string.byte, string.char, string.sub, string.find

local uri_matcher = {}

local function fault(at, text, ...)
  local reason = text:format(...)
  return nil, ("bad URI template at position %d: cannot be matched: %s"):format(at, reason)
end

---------------------------------------------------------------------------------------------
-- Making a matcher
--
-- A matcher is literal, group, literal, group, … literal (`literals[0]` to `literals[n]`,
-- `groups[1]` to `groups[n]`; only the first and the last literal may be empty), then perhaps
-- `form`, the parameters of {?…} and {&…}, then perhaps `fragment`, the variables of {#…}.
--
-- A group is a list of captures that stand side by side: any kind first, then "runs", which
-- are empty or begin with a character that tells where the one before ended.
--   one     a value                            rest    {+a}: a value, over segments
--   fields  {a,b}, {a*}: values between ","    run     {.a*}, {/a*}, {;a,b}

-- What a capture may not take, by where it stands. Constant one-character classes: linear.
local STOPS = { path = "[/?#]", query = "[/?#&]" }
local REST_STOPS = { query = "[?#]", fragment = "#" }

-- The bytes of a literal in the order of scanning, with the table of Knuth, Morris and Pratt:
-- `fall[i]` is where to go on when `i` bytes fitted and the next does not.
local function needle(literal)
  local fall, state = { 0 }, 0
  local bytes = { byte(literal, 1, 1) }
  for i = 2, #literal do
    local c = byte(literal, i)
    bytes[i] = c
    while state > 0 and bytes[state + 1] ~= c do state = fall[state] end
    if bytes[state + 1] == c then state = state + 1 end
    fall[i] = state
  end
  return { bytes = bytes, fall = fall, length = #literal }
end

local compiler = {}
compiler.__index = compiler

function compiler:add_literal(text, part_at)
  if self.form or self.fragment then
    return fault(part_at, "%q follows a query or fragment expression", text)
  end
  local n = #self.groups
  self.literals[n] = (self.literals[n] or "") .. text
  if find(text, "#", 1, true) then
    self.zone = "fragment"
  elseif self.zone == "path" and find(text, "?", 1, true) then
    self.zone = "query"
  end
  return true
end

function compiler:add_capture(capture, part)
  local groups, n = self.groups, #self.groups
  if self.form or self.fragment then
    return fault(part.at, "%s follows a query or fragment expression", part.text)
  end
  capture.stops = STOPS[self.zone] or STOPS.path
  if capture.multi then
    if self.multi then
      return fault(part.at, "%s is a second variable that spans segments", part.text)
    end
    capture.stops = capture.run and REST_STOPS.query or nil
  end
  if n > 0 and self.literals[n] == nil then -- nothing between this one and the one before
    local group = groups[n]
    if not capture.run or group[1].kind == "rest" or group.runs[capture.run] then
      return fault(part.at, "nothing tells where %s begins", part.text)
    end
    group[#group + 1] = capture
    group.runs[capture.run] = true
    group.multi = group.multi or capture.multi
  else
    n = n + 1
    self.literals[n - 1] = self.literals[n - 1] or ""
    groups[n] = {
      capture, runs = { [capture.run or 0] = true }, multi = capture.multi,
      least = capture.run and 0 or 1,
    }
  end
  if capture.multi then self.multi = n end
  return true
end

function compiler:add_tail(part)
  if self.fragment then
    return fault(part.at, "%s follows a fragment expression", part.text)
  elseif part.operator == "#" then
    if self.zone == "fragment" then
      return fault(part.at, "a second \"#\"")
    end
    self.fragment = { kind = "fields", vars = part }
  elseif part.operator == "?" then
    if self.form or self.zone ~= "path" then
      return fault(part.at, "{?…} after a \"?\" or \"#\"; perhaps {&…}")
    end
    self.form = { kind = "run", run = "&", vars = {} }
  elseif not self.form then
    if self.zone ~= "query" then
      return fault(part.at, "{&…} without a \"?\" before it")
    end
    -- The parameters begin at the first "&" after those that are written out.
    local n = #self.groups
    local written = table.concat(self.literals, "", 0, n - 1) .. (self.literals[n] or "")
    local query = sub(written, find(written, "?", 1, true) + 1)
    self.form = { kind = "run", run = "&", vars = {}, skip = select(2, query:gsub("&", "")) }
  end
  if self.form and part.operator ~= "#" then
    for _, variable in ipairs(part) do table.insert(self.form.vars, variable) end
  end
  return true
end

-- Only the last of several fields may be a list: the others are counted.
local function check_fields(part)
  for i = 1, #part - 1 do
    if part[i].explode then
      return fault(part[i].at, "%q is a list, and only the last variable may be one", part[i].name)
    end
  end
  return true
end

function compiler:add_expression(part)
  local operator = part.operator
  if operator == "" or operator == "#" then
    local good, message = check_fields(part)
    if not good then return nil, message end
  end
  if operator == "" then
    local plain = #part == 1 and not part[1].explode
    return self:add_capture({ kind = plain and "one" or "fields", vars = part }, part)
  elseif operator == "+" then
    if #part > 1 then
      return fault(part.at, "%s has more than one variable that spans segments", part.text)
    end
    return self:add_capture({ kind = "rest", vars = part, multi = true }, part)
  elseif operator == ";" then
    return self:add_capture({ kind = "run", run = ";", vars = part }, part)
  elseif operator == "." or operator == "/" then
    for _, variable in ipairs(part) do
      local capture = { kind = "one", vars = { variable } }
      if variable.explode then
        capture = { kind = "run", run = operator, vars = { variable }, list = true,
          multi = operator == "/" }
      else
        local good, message = self:add_literal(operator, part.at)
        if not good then return nil, message end
      end
      local good, message = self:add_capture(capture, part)
      if not good then return nil, message end
    end
    return true
  end
  return self:add_tail(part)
end

-- Parameters are looked up by name, once per parameter.
local function index_names(capture)
  if not capture or capture.list or capture.kind ~= "run" then return end
  capture.names = {}
  for _, variable in ipairs(capture.vars) do capture.names[variable.name] = variable end
end

---Makes the matcher of a parsed template.
---@param parts table as uri.lua parses it: literals, and expressions with `operator`, `at`, `text`
---@return table? program
---@return string? message why this template cannot be matched
function uri_matcher.compile(parts)
  local self = setmetatable({ literals = {}, groups = {}, zone = "path" }, compiler)
  local seen = {}
  for _, part in ipairs(parts) do
    local good, message
    if type(part) == "string" then
      good, message = self:add_literal(part, self.at or 1)
    else
      for _, variable in ipairs(part) do
        if seen[variable.name] then
          return fault(variable.at, "variable %q comes twice", variable.name)
        elseif variable.prefix then
          return fault(variable.at, "a prefix does not tell the whole of %q", variable.name)
        end
        seen[variable.name] = true
      end
      good, message = self:add_expression(part)
      self.at = part.at + #part.text
    end
    if not good then return nil, message end
  end
  local literals, groups, n = self.literals, self.groups, #self.groups
  literals[0], literals[n] = literals[0] or "", literals[n] or ""

  local forward, backward = {}, {}
  for i = 1, n - 1 do
    if self.multi and i >= self.multi then
      backward[i] = needle(literals[i]:reverse())
    else
      forward[i] = needle(literals[i])
    end
  end
  for _, group in ipairs(groups) do
    for i, capture in ipairs(group) do
      index_names(capture)
      -- A capture ends where any later run in the group begins.
      local ends = {}
      for k = i + 1, #group do ends[#ends + 1] = "%" .. group[k].run end
      capture.ends = ends[1] and "[" .. table.concat(ends) .. "]"
    end
  end
  index_names(self.form)
  if self.multi and groups[self.multi][1].kind == "rest" then
    local after = table.concat(literals, "", self.multi, n)
    local zone = (self.form or find(after, "?", 1, true)) and "query"
      or (self.fragment or find(after, "#", 1, true)) and "fragment"
    groups[self.multi][1].stops = REST_STOPS[zone]
  end
  return { literals = literals, groups = groups, multi = self.multi, forward = forward,
    backward = backward, form = self.form, fragment = self.fragment }
end

---------------------------------------------------------------------------------------------
-- Matching

-- One decoding; nil for a bad escape, a NUL or bad UTF-8.
local function decode(text)
  if find(text, "%", 1, true) then
    local bad = false
    text = text:gsub("%%(.?.?)", function(digits)
      if not find(digits, "^%x%x$") then
        bad = true
        return nil
      end
      return char(tonumber(digits, 16))
    end)
    if bad then return nil end
  end
  if find(text, "\0", 1, true) or not utf8.len(text) then return nil end
  return text
end

-- The index where, going from `from` to `to` by `step` (1 or -1), the needle has been seen whole.
local function scan(text, from, to, step, what)
  local bytes, fall, length, state = what.bytes, what.fall, what.length, 0
  for i = from, to, step do
    local c = byte(text, i)
    while state > 0 and bytes[state + 1] ~= c do state = fall[state] end
    if bytes[state + 1] == c then state = state + 1 end
    if state == length then return i end
  end
  return nil
end

local function split(text, separator)
  local out, from = {}, 1
  repeat
    local at = find(text, separator, from, true)
    out[#out + 1] = sub(text, from, at and at - 1)
    from = at and at + 1
  until not from
  return out
end

local function decode_list(list, first)
  local out = {}
  for i = first, #list do
    local value = decode(list[i])
    if not value then return nil end
    out[#out + 1] = value
  end
  return out
end

-- {a,b}, {a*}, {+a*}, {#a}: as many fields as variables, or more if the last is a list.
local function take_fields(capture, text, vars)
  local variables = capture.vars
  local n = #variables
  if n == 1 and not variables[1].explode then
    local value = decode(text)
    vars[variables[1].name] = value
    return value
  end
  local fields, last = split(text, ","), variables[n]
  if #fields < n or (#fields > n and not last.explode) then return nil end
  for i, variable in ipairs(variables) do
    local value
    if variable.explode then value = decode_list(fields, i) else value = decode(fields[i]) end
    if not value then return nil end
    vars[variable.name] = value
  end
  return true
end

-- ";a=1;b" and "a=1&b=2" without the first separator.
local function take_parameters(capture, text, vars)
  for _, item in ipairs(split(text, capture.run)) do
    local equals = find(item, "=", 1, true)
    local variable = capture.names[sub(item, 1, equals and equals - 1)]
    local value = variable and decode(equals and sub(item, equals + 1) or "")
    if not value then return nil end
    local old = vars[variable.name]
    if not variable.explode then
      if old then return nil end
      vars[variable.name] = value
    elseif old then
      old[#old + 1] = value
    else
      vars[variable.name] = { value }
    end
  end
  return true
end

local function take_capture(capture, text, vars)
  if capture.kind ~= "run" then
    if text == "" or (capture.stops and find(text, capture.stops)) then return nil end
    return take_fields(capture, text, vars)
  end
  if text == "" then return true end
  -- {/a*} may hold "/", its own separator; STOPS are about the values.
  if sub(text, 1, 1) ~= capture.run or find(text, capture.stops) then return nil end
  text = sub(text, 2)
  if not capture.list then return take_parameters(capture, text, vars) end
  local list = decode_list(split(text, capture.run), 1)
  vars[capture.vars[1].name] = list
  return list
end

-- Missing runs are empty: the next run begins where they would.
local function take_group(group, text, vars)
  local from = 1
  for _, capture in ipairs(group) do
    local stop = capture.ends and find(text, capture.ends, from) or #text + 1
    if not take_capture(capture, sub(text, from, stop - 1), vars) then return nil end
    from = stop
  end
  return true
end

-- Cuts off the fragment and the parameters, if the template has any.
local function take_tails(program, text, vars)
  if program.fragment then
    local at = find(text, "#", 1, true)
    if at then
      if not take_fields(program.fragment, sub(text, at + 1), vars) then return nil end
      text = sub(text, 1, at - 1)
    end
  end
  local form = program.form
  if form then
    local at = find(text, "?", 1, true)
    for _ = 0, form.skip or -1 do at = at and find(text, "&", at + 1, true) end
    if at then
      local query = sub(text, at + 1)
      if find(query, "#", 1, true) or not take_parameters(form, query, vars) then return nil end
      text = sub(text, 1, at - 1)
    end
  end
  return text
end

---The values in an address, or nil. Takes a number of steps in proportion to its length.
---@param program table
---@param text string
---@return table<string, string|string[]>? vars
function uri_matcher.match(program, text)
  local vars = {}
  text = take_tails(program, text, vars)
  if not text then return nil end
  local literals, groups = program.literals, program.groups
  local n, multi = #groups, program.multi
  if n == 0 then return text == literals[0] and vars or nil end

  local left, right = #literals[0] + 1, #text - #literals[n]
  if right < left - 1 or sub(text, 1, left - 1) ~= literals[0]
    or sub(text, right + 1) ~= literals[n] then
    return nil
  end
  for i = 1, (multi or n) - 1 do
    local stop = scan(text, left + groups[i].least, right, 1, program.forward[i])
    local start = stop and stop - #literals[i]
    if not stop or not take_group(groups[i], sub(text, left, start), vars) then return nil end
    left = stop + 1
  end
  for i = n, (multi or n) + 1, -1 do
    local start = scan(text, right - groups[i].least, left, -1, program.backward[i - 1])
    local stop = start and start + #literals[i - 1]
    if not start or not take_group(groups[i], sub(text, stop, right), vars) then return nil end
    right = start - 1
  end
  if not take_group(groups[multi or n], sub(text, left, right), vars) then return nil end
  return vars
end

return uri_matcher
