-- SPDX-License-Identifier: MIT
-- terminal: what luamcp may print where: is a stream a terminal, how wide is it, may it have
-- colours. Text from a server is never printed as it is: it could move the cursor.
local terminal = {}

local program = package.loaded["mcp.program"]

---Columns where the terminal does not say how many it has.
terminal.COLUMNS = 80

---@param fd integer 0, 1 or 2
---@return boolean
function terminal.is_terminal(fd)
  return program ~= nil and program.terminal(fd) ~= nil
end

---The width of a stream: of the terminal, of COLUMNS in the environment, or 80.
---@param fd integer
---@return integer columns
function terminal.width(fd)
  local columns = program and program.terminal(fd)
  if columns and columns > 0 then return columns end
  local said = math.tointeger(tonumber(os.getenv "COLUMNS"))
  return said and said > 0 and said or terminal.COLUMNS
end

---May a stream have colours? https://no-color.org and CLICOLOR_FORCE decide where they are set.
---@param fd integer
---@return boolean
function terminal.has_colour(fd)
  local no, force = os.getenv "NO_COLOR", os.getenv "CLICOLOR_FORCE"
  if no and no ~= "" then return false end
  if force and force ~= "" and force ~= "0" then return true end
  return terminal.is_terminal(fd) and os.getenv "TERM" ~= "dumb"
end

local STYLES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

---The text in a style, if the stream may have colours.
---@param fd integer
---@param style string "bold", "dim", "red", "green", "yellow" or "cyan"
---@param text string
---@return string
function terminal.paint(fd, style, text)
  if not terminal.has_colour(fd) then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

-- Characters that end a line, or that show what follows in another order than it has.
local HIDING = { [0x2028] = true, [0x2029] = true }
for code = 0x202A, 0x202E do HIDING[code] = true end
for code = 0x2066, 0x2069 do HIDING[code] = true end

-- Valid UTF-8 with what no terminal should get beyond ASCII replaced by its code.
local function without_hidden(text, c1, others)
  text = text:gsub("\xC2[\x80-\x9F]", function(pair) return c1:format(utf8.codepoint(pair)) end)
  return (text:gsub("\xE2[\x80\x81][\x80-\xBF]", function(character)
    local code = utf8.codepoint(character)
    return HIDING[code] and others:format(code) or nil
  end))
end

---JSON made fit to print: the same document.
---@param text string
---@return string
function terminal.clean_json(text)
  return without_hidden((text:gsub("\127", "\\u007f")), "\\u%04x", "\\u%04x")
end

---Text of a server made fit to print: control characters become `\xNN`, except line ends and tabs.
---Bytes that are not UTF-8 likewise, the controls of C1 (U+0080 to U+009F), and characters that
---change the order in which text is shown.
---@param text any
---@return string
function terminal.clean(text)
  text = tostring(text)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]+", function(run)
      if utf8.len(run) then return run end
      return (run:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end))
    end)
  end
  text = text:gsub("[%z\1-\8\11-\31\127]", function(byte)
    return ("\\x%02x"):format(byte:byte())
  end)
  return without_hidden(text, "\\x%02x", "\\u{%x}")
end

---The same on one line, for names and other short texts: a name with a line end in it could look
---like an entry of its own.
---@param text any
---@return string
function terminal.line(text)
  return (terminal.clean(text):gsub("[\n\t]", { ["\n"] = "\\n", ["\t"] = "\\t" }))
end

---The number of columns that a text takes, with one column for a character.
---@param text string
---@return integer
function terminal.columns(text) return utf8.len(text) or #text end

---Breaks a text into lines.
---@param text string
---@param width integer columns of a line
---@return string[] lines
function terminal.wrap(text, width)
  local lines = {}
  for paragraph in (text .. "\n"):gmatch "(.-)\r?\n" do
    local line = ""
    for word in paragraph:gmatch "%S+" do
      if line == "" then
        line = word
      elseif terminal.columns(line) + 1 + terminal.columns(word) <= width then
        line = line .. " " .. word
      else
        lines[#lines + 1] = line
        line = word
      end
    end
    lines[#lines + 1] = line
  end
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

return terminal
