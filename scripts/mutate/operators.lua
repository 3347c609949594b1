-- SPDX-License-Identifier: MIT
-- The wrong edits that `make mutate` makes: a list of operators over C and Lua. An operator looks
-- at one source and names every place where it applies. Nothing here parses: comments and strings
-- are blanked out, and an edit that is then found by pattern may still not compile. The program
-- throws such an edit away and counts it.
local operators = {}

---@class mutate.Edit
---@field operator string  its name
---@field from integer  first byte that is replaced
---@field to integer  last byte that is replaced
---@field text string  what stands there instead

-- The same number of bytes and the same lines, and nothing to find.
local function blank(text) return (text:gsub("[^\n]", " ")) end

local function blank_c(source)
  local out, at = {}, 1
  local function keep(to)
    out[#out + 1] = source:sub(at, to)
    at = to + 1
  end
  local function hide(to)
    out[#out + 1] = blank(source:sub(at, to))
    at = to + 1
  end
  while at <= #source do
    local next_at = source:find("[/\"'#]", at)
    if not next_at then break end
    keep(next_at - 1)
    local two, char = source:sub(at, at + 1), source:sub(at, at)
    if two == "/*" then
      hide(select(2, source:find("*/", at + 2, true)) or #source)
    elseif two == "//" then
      hide((source:find("\n", at, true) or #source + 1) - 1)
    elseif char == '"' or char == "'" then
      local to = at + 1
      while to <= #source and source:sub(to, to) ~= char do
        to = to + (source:sub(to, to) == "\\" and 2 or 1)
      end
      hide(math.min(to, #source))
    elseif char == "#" then
      -- A directive, with the lines it is continued on.
      local to = at
      repeat
        local stop = source:find("\n", to, true) or #source + 1
        local on = source:sub(stop - 1, stop - 1) == "\\"
        to = stop + 1
      until not on or to > #source
      hide(to - 2)
    else
      keep(at)
    end
  end
  keep(#source)
  return table.concat(out)
end

local function blank_lua(source)
  local out, at = {}, 1
  local function take(to, hidden)
    local piece = source:sub(at, to)
    out[#out + 1] = hidden and blank(piece) or piece
    at = to + 1
  end
  while at <= #source do
    local next_at = source:find("[-%[\"']", at)
    if not next_at then break end
    take(next_at - 1)
    local level = source:match("^%-%-%[(=*)%[", at) or source:match("^%[(=*)%[", at)
    local char = source:sub(at, at)
    if level then
      take(select(2, source:find("]" .. level .. "]", at, true)) or #source, true)
    elseif source:sub(at, at + 1) == "--" then
      take((source:find("\n", at, true) or #source + 1) - 1, true)
    elseif char == '"' or char == "'" then
      local to = at + 1
      while to <= #source and source:sub(to, to) ~= char do
        to = to + (source:sub(to, to) == "\\" and 2 or 1)
      end
      take(math.min(to, #source), true)
    else
      take(at)
    end
  end
  take(#source)
  -- An attribute is no comparison.
  return (table.concat(out):gsub("<%l+>", blank))
end

local function is_c(path) return path:find "%.[ch]$" ~= nil end

--- Names of functions whose calls give something back.
local CLEANUP = { "free", "close", "unref", "release", "deinit", "stop", "cancel", "remove",
  "reset", "clear", "abort", "drop", "forget", "shut", "kill", "unlink", "untrack", "end" }

local function cleans(name)
  name = name:lower()
  for _, word in ipairs(CLEANUP) do
    if name:find("%f[%a]" .. word .. "%f[%A]") then return true end
  end
  return false
end

-- Adds an edit for each match of a pattern whose two empty captures bound what is replaced.
local function each(sight, pattern, replace)
  for from, to in sight.masked:gmatch(pattern) do
    local text = sight.source:sub(from, to - 1)
    local with = replace
    if type(with) == "table" then with = with[text] end
    if type(with) == "function" then with = with(text) end
    if with then sight.add(from, to - 1, with) end
  end
end

-- Where the bracket at `from` is closed.
local function closing(masked, from)
  local _, to = masked:find("^%b()", from)
  return to
end

-- The places where a statement of C may begin.
local function starts_of_c(masked)
  local list = {}
  for before, at in masked:gmatch "([;{})])%s*()%f[%w_]" do
    list[#list + 1] = { before = before, at = at }
  end
  for at in masked:gmatch "%f[%w_]else%s+()%f[%w_]" do
    list[#list + 1] = { before = "else", at = at }
  end
  return list
end

local C_WORDS = { ["if"] = true, ["for"] = true, ["while"] = true, ["return"] = true,
  ["switch"] = true, ["case"] = true, ["goto"] = true, ["break"] = true, ["continue"] = true,
  ["else"] = true, ["do"] = true, sizeof = true, default = true, typedef = true, static = true,
  struct = true, enum = true, union = true, const = true, extern = true }

-- Is `)` at the end of the text before `at` the end of if (…), for (…) or while (…)?
local function follows_condition(masked, at)
  local from = masked:sub(math.max(1, at - 400), at - 1):match "%f[%w_](%a+) (%b())%s*$"
  return from == "if" or from == "for" or from == "while"
end

-- Calls visit(from, to, text) for each whole statement of C that is an expression.
local function each_c_statement(masked, visit)
  for _, start in ipairs(starts_of_c(masked)) do
    local word = masked:match("^[%w_]+", start.at)
    if word and not C_WORDS[word]
      and (start.before ~= ")" or follows_condition(masked, start.at)) then
      local depth, at = 0, start.at
      while true do
        local hit = masked:find("[;(){}]", at)
        if not hit then break end
        local char = masked:sub(hit, hit)
        if char == "(" then depth = depth + 1 end
        if char == ")" then depth = depth - 1 end
        if depth < 0 or char == "{" or char == "}" then break end
        if char == ";" and depth == 0 then
          visit(start.at, hit - 1, masked:sub(start.at, hit - 1))
          break
        end
        at = hit + 1
      end
    end
  end
end

local LUA_WORDS = { ["if"] = true, ["for"] = true, ["while"] = true, ["return"] = true,
  ["local"] = true, ["function"] = true, ["end"] = true, ["else"] = true, ["elseif"] = true,
  ["until"] = true, ["repeat"] = true, ["do"] = true, ["and"] = true, ["or"] = true,
  ["not"] = true, ["goto"] = true, ["break"] = true }

-- The same for Lua, of statements that begin a line or stand between then and end.
local function each_lua_statement(sight, visit)
  local masked = sight.masked
  local before = ""
  for from, line in masked:gmatch "()([^\n]*)\n" do
    local indent, word = line:match "^(%s*)([%a_][%w_]*)"
    local goes_on = before:find "[,({=+*/%%<>~.%[-]%s*$" or before:find "%f[%w]and%s*$"
      or before:find "%f[%w]or%s*$" or before:find "%f[%w]not%s*$"
    if word and not LUA_WORDS[word] and not goes_on then
      local first = from + #indent
      -- A statement over several lines ends where its brackets do.
      local to, depth = first, 0
      while true do
        local hit = masked:find("[(){}%[%]\n]", to)
        if not hit then break end
        local char = masked:sub(hit, hit)
        if char:find "[({%[]" then depth = depth + 1 end
        if char:find "[)}%]]" then depth = depth - 1 end
        if depth < 0 then break end
        if char == "\n" and depth == 0 then
          visit(first, hit - 1, sight.masked:sub(first, hit - 1))
          break
        end
        to = hit + 1
      end
    end
    local open, shut = line:match "%f[%w]then%s+()[%a_].-()%s+end%s*$"
    if open and not LUA_WORDS[line:match("^[%w_]+", open)] then
      visit(from + open - 1, from + shut - 2, line:sub(open, shut - 1))
    end
    if line:find "%S" then before = line end
  end
end

local function each_statement(sight, visit)
  if sight.c then
    each_c_statement(sight.masked, visit)
  else
    each_lua_statement(sight, visit)
  end
end

-- What a statement is: "call" and the function's name, "count", "assignment", or nil.
local function kind_of(text, c)
  if text:find "^[%w_.>%[%]*-]+%-%-%s*$" or text:find "^%-%-" or text:find "[^<>=~!]%-=[^=]"
    or text:find "%+%+%s*$" or text:find "^%+%+" or text:find "%+= " then
    return "count"
  end
  local left, right = text:match "^([%a_][%w_.%[%]:>#%-]*) = (.*)$"
  if left then
    local escaped = left:gsub("%p", "%%%0")
    if not c and right:find("^" .. escaped .. " [+-] ") then return "count" end
    return "assignment"
  end
  local name = text:match "^([%a_][%w_.:>%-]*)%s*%(.*%)%s*$"
    or not c and text:match "^([%a_][%w_.:]*)%s+$"
  if name then return "call", name end
end

local function removing(wanted)
  return function(sight)
    each_statement(sight, function(from, to, text)
      local kind, name = kind_of(text, sight.c)
      if kind == "call" and cleans(name) then kind = "clean-up" end
      if kind == wanted then sight.add(from, to, sight.c and "(void)0" or "do end") end
    end)
  end
end

-- Calls visit(from, to) for each condition of an `if`.
local function each_condition(sight, visit)
  if sight.c then
    for at in sight.masked:gmatch "%f[%w_]if%s*()%(" do
      local to = closing(sight.masked, at)
      if to then visit(at + 1, to - 1) end
    end
    return
  end
  for from, to in sight.masked:gmatch "%f[%w_]if%s+().-()%f[%w_]then%f[%W]" do
    -- A string at the end is blank in the mask.
    visit(from, from + #sight.source:sub(from, to - 1):gsub("%s+$", "") - 1)
  end
end

--- Each operator: its name, and what finds its places.
operators.list = {
  { "comparison moved by one", function(sight)
    each(sight, "[^<>%-=]()[<>]=?()[^<>=]",
      { ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">" })
  end },
  { "comparison turned round", function(sight)
    if sight.c then
      each(sight, "()[!=]=()", { ["=="] = "!=", ["!="] = "==" })
    else
      each(sight, "()[~=]=()", { ["=="] = "~=", ["~="] = "==" })
    end
  end },
  { "and for or", function(sight)
    if sight.c then
      each(sight, "()&&()", "||")
      each(sight, "()||()", "&&")
    else
      each(sight, "%f[%w_]()and()%f[^%w_]", "or")
      each(sight, "%f[%w_]()or()%f[^%w_]", "and")
    end
  end },
  { "condition negated", function(sight)
    each_condition(sight, function(from, to)
      local text = sight.source:sub(from, to)
      sight.add(from, to, (sight.c and "!(%s)" or "not (%s)"):format(text))
    end)
  end },
  { "guard taken away", function(sight)
    each_condition(sight, function(from, to)
      local text = sight.source:sub(from, to)
      local after = sight.masked:sub(to + 1, to + 60)
      local leaves = after:find "^%)?%s*then%s+return" or after:find "^%)?%s*then%s+error"
        or after:find "^%s*then%s+return" or after:find "^%)%s*{?%s*return"
        or after:find "^%)%s*{?%s*goto" or after:find "^%)%s*{?%s*continue"
      local never = sight.c and "0 && (%s)" or "false and (%s)"
      if leaves then sight.add(from, to, never:format(text)) end
    end)
  end },
  { "not left out", function(sight)
    if sight.c then
      each(sight, "()!()[%w_(]", "")
    else
      each(sight, "%f[%w_]()not %f[%w_(]()", "")
    end
  end },
  { "constant off by one", function(sight)
    each(sight, "%f[%w_.]()%d+()%f[^%w_.]", function(text)
      local number = math.tointeger(tonumber(text))
      return number and tostring(number + 1)
    end)
  end },
  { "plus for minus", function(sight)
    each(sight, "[%w_)%]] ()[+-]()=? [%w_(#*&]", { ["+"] = "-", ["-"] = "+" })
    if sight.c then each(sight, "()%+%+()", "--") end
    if sight.c then each(sight, "()%-%-()[^>]", "++") end
  end },
  { "limit doubled", function(sight)
    if sight.c then
      -- Directives are blanked: read from the source itself.
      for from, to in sight.source:gmatch "#define MCP_[%w_]+ +()[^\n\\]+()\n" do
        local text = sight.source:sub(from, to - 1)
        if not text:find '"' and text:find "%d" then
          sight.add(from, to - 1, ("((%s) * 2)"):format(text:gsub("/%*.*%*/", "")))
        end
      end
      return
    end
    for _, name in ipairs { "local [%u_]+", "local [%u_]+ <const>", "[%l_]+%.[%u_]+" } do
      local pattern = "\n" .. name .. " = ()[%d.*<+ ]+()\n"
      each(sight, pattern, function(text)
        return text:find "^[%d.*<+ ]+$" and ("(%s) * 2"):format(text)
      end)
    end
  end },
  { "clean-up left out", removing "clean-up" },
  { "count left out", removing "count" },
  { "call left out", removing "call" },
  { "assignment left out", removing "assignment" },
  { "answer changed", function(sight)
    if sight.c then
      each(sight, "%f[%w_]return ()0();", "-1")
      each(sight, "%f[%w_]return ()1();", "0")
      each(sight, "%f[%w_]return ()true();", "false")
      each(sight, "%f[%w_]return ()false();", "true")
      each(sight, "%f[%w_]()MCP_E[%u_]+()%f[^%w_]", function() return "UV_EIO" end)
      each(sight, "%f[%w_]()UV_E[%u_]+()%f[^%w_]", function() return "-20999" end)
      return
    end
    each(sight, "%f[%w_]return ()true()", "false")
    each(sight, "%f[%w_]return ()false()", "true")
    each(sight, "%f[%w_]return ()nil()%f[^%w_]", "true")
    -- A code of ours, in a string: the mask hides it.
    for from, to in sight.source:gmatch '()"E[%u]+"()' do
      sight.add(from, to - 1, '"EOTHER"')
    end
  end },
}

--- Every edit that one operator can make in a source.
---@param path string  its ending says which language it is
---@param source string
---@return table<string, mutate.Edit[]> edits  by the operator's name, in the order of the text
function operators.edits(path, source)
  local c = is_c(path)
  local masked = c and blank_c(source) or blank_lua(source)
  assert(#masked == #source, path .. ": the mask has lost its place")
  local found = {}
  for _, entry in ipairs(operators.list) do
    local name, list = entry[1], {}
    local seen = {}
    entry[2] { source = source, masked = masked, c = c, add = function(from, to, text)
      local key = from .. ":" .. to .. ":" .. text
      if seen[key] or source:sub(from, to) == text then return end
      seen[key] = true
      list[#list + 1] = { operator = name, from = from, to = to, text = text }
    end }
    table.sort(list, function(a, b)
      if a.from ~= b.from then return a.from < b.from end
      if a.to ~= b.to then return a.to < b.to end
      return a.text < b.text
    end)
    if list[1] then found[name] = list end
  end
  return found
end

--- The source with an edit made.
---@param source string
---@param edit mutate.Edit
---@return string
function operators.apply(source, edit)
  return source:sub(1, edit.from - 1) .. edit.text .. source:sub(edit.to + 1)
end

--- The number of the line an edit begins on.
function operators.line_of(source, edit)
  return select(2, source:sub(1, edit.from - 1):gsub("\n", "")) + 1
end

return operators
