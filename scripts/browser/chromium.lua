-- SPDX-License-Identifier: MIT
-- chromium.lua: drives a headless Chromium by its own DevTools protocol, over the pipe that
-- --remote-debugging-pipe gives: messages of JSON, each followed by a NUL, read by the browser
-- from descriptor 3 and written to 4. Two named pipes and a shell lead there. What a page complains
-- of (an error of its script, a refused load, what its policy forbids) is kept.
local background = require "background"
local cjson = require "cjson"

local quote = background.quote

local chromium = {}

-- The whole run ends by then, whatever hangs: a read from a pipe has no deadline of its own.
chromium.LIMIT = 300 -- seconds

-- How long a page may take for what is waited for, in milliseconds.
chromium.PATIENCE = 8000

local NAMES = { "chromium", "chromium-browser", "google-chrome", "google-chrome-stable" }

local function shell(format, ...)
  return os.execute(format:format(...)) == true
end

local function program()
  for _, name in ipairs { os.getenv "CHROMIUM" or NAMES[1], table.unpack(NAMES) } do
    if shell("command -v %s >/dev/null 2>&1", quote(name)) then return name end
  end
  error("there is no Chromium: scripts/deps browser", 0)
end

-- --- the browser -----------------------------------------------------------------

local Browser = { __name = "chromium" }
Browser.__index = {}
local Page = { __name = "chromium.page" }
Page.__index = {}

---Starts it, with a profile of its own in `folder`. `hosts` are rules for names: "MAP a 127.0.0.1".
---@param folder string
---@param hosts string|nil
---@return table browser
function chromium.start(folder, hosts)
  local to, from, log = folder .. "/to", folder .. "/from", folder .. "/chromium.log"
  assert(shell("rm -rf %s/profile %s %s && mkdir -p %s/profile && mkfifo %s %s", quote(folder),
    quote(to), quote(from), quote(folder), quote(to), quote(from)))
  local words = { "timeout", "--kill-after=5", tostring(chromium.LIMIT), program(),
    "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" .. folder .. "/profile",
    "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--window-size=1280,900" }
  -- Its sandbox does not work for root, nor in most containers.
  if shell "[ \"$(id -u)\" = 0 ]" then words[#words + 1] = "--no-sandbox" end
  if hosts then words[#words + 1] = "--host-resolver-rules=" .. hosts end
  for i, word in ipairs(words) do words[i] = quote(word) end
  local process = assert(io.popen(("%s about:blank 3<%s 4>%s </dev/null >%s 2>&1"):format(
    table.concat(words, " "), quote(to), quote(from), quote(log))))
  -- The shell opens them in this order, and each waits for its other end.
  local self = setmetatable({ process = process, last = 0, pages = {}, log = log,
    to = assert(io.open(to, "wb")), from = assert(io.open(from, "rb")) }, Browser)
  self.to:setvbuf "full"
  return self
end

local function read_message(self)
  local bytes = {}
  while true do
    local c = self.from:read(1)
    if not c then error(("Chromium is gone; see %s"):format(self.log), 0) end
    if c == "\0" then return cjson.decode(table.concat(bytes)) end
    bytes[#bytes + 1] = c
  end
end

-- What a page has to complain of.
local function complaint(method, params)
  if method == "Runtime.exceptionThrown" then
    local details = params.exceptionDetails
    return details.exception and details.exception.description or details.text
  elseif method == "Runtime.consoleAPICalled" then
    if params.type ~= "error" and params.type ~= "warning" and params.type ~= "assert" then
      return nil
    end
    local words = {}
    for i, value in ipairs(params.args) do
      words[i] = tostring(value.value or value.description or value.type)
    end
    return table.concat(words, " ")
  elseif method == "Log.entryAdded" and params.entry.level ~= "verbose"
    and params.entry.level ~= "info" then
    return ("%s: %s"):format(params.entry.source, params.entry.text)
  end
  return nil
end

local function send(self, method, params, session)
  self.last = self.last + 1
  self.to:write(cjson.encode { id = self.last, method = method, sessionId = session,
    params = params and next(params) and params or nil }, "\0")
  self.to:flush()
  return self.last
end

-- A frame that has a process of its own: what it complains of is its page's.
local function attach_frame(self, page, session)
  self.pages[session], page.frames[session] = page, true
  send(self, "Runtime.enable", nil, session)
  send(self, "Log.enable", nil, session)
  send(self, "Target.setAutoAttach", { autoAttach = true, waitForDebuggerOnStart = false,
    flatten = true }, session)
end

---Sends a command and waits for what it gives.
---@param method string
---@param params table|nil
---@param session string|nil of a page
---@return table result
function Browser.__index:command(method, params, session)
  local id = send(self, method, params, session)
  while true do
    local message = read_message(self)
    if message.id == id then
      if message.error then error(("%s: %s"):format(method, message.error.message), 2) end
      return message.result
    end
    local page = self.pages[message.sessionId]
    if page and message.method == "Target.attachedToTarget" then
      attach_frame(self, page, message.params.sessionId)
    elseif page and message.method == "Target.detachedFromTarget" then
      page.frames[message.params.sessionId] = nil
      self.pages[message.params.sessionId] = nil
    end
    local text = page and complaint(message.method, message.params)
    if text then page.complaints[#page.complaints + 1] = text end
  end
end

---Opens a page and waits until it is loaded.
---@param url string
---@return table page
function Browser.__index:open(url)
  local target = self:command("Target.createTarget", { url = "about:blank" }).targetId
  local session = self:command("Target.attachToTarget",
    { targetId = target, flatten = true }).sessionId
  local page = setmetatable({ browser = self, target = target, session = session,
    complaints = {}, frames = {} }, Page)
  self.pages[session] = page
  for _, domain in ipairs { "Runtime", "Log", "Page" } do page:command(domain .. ".enable") end
  page:command("Target.setAutoAttach", { autoAttach = true, waitForDebuggerOnStart = false,
    flatten = true })
  local went = page:command("Page.navigate", { url = url })
  page.refused = went.errorText
  if not page.refused then page:wait "document.readyState === 'complete'" end
  return page
end

function Browser.__close(self)
  pcall(self.command, self, "Browser.close")
  self.to:close()
  self.from:close()
  self.process:close()
end

-- --- a page ------------------------------------------------------------------------

function Page.__index:command(method, params)
  return self.browser:command(method, params, self.session)
end

---What an expression of JavaScript gives; a promise is waited for. Raises what it throws.
---@param expression string
---@return any
function Page.__index:eval(expression)
  local given = self:command("Runtime.evaluate", { expression = expression, awaitPromise = true,
    returnByValue = true, userGesture = true })
  if given.exceptionDetails then
    local thrown = given.exceptionDetails.exception
    error(thrown and (thrown.description or cjson.encode(thrown.value))
      or given.exceptionDetails.text, 2)
  end
  return given.result.value
end

local function eval_in(self, session, expression)
  local ok, given = pcall(self.browser.command, self.browser, "Runtime.evaluate",
    { expression = expression, awaitPromise = true, returnByValue = true }, session)
  if ok and not given.exceptionDetails then return true, given.result.value end
  return false, ok and given.exceptionDetails.exception.description or given
end

-- The session of the frame whose document has a title; nil if there is none yet.
local function frame_of(self, title)
  local sessions = {}
  for session in pairs(self.frames) do sessions[#sessions + 1] = session end
  for _, session in ipairs(sessions) do
    local ok, found = eval_in(self, session, "document.title")
    if ok and found == title then return session end
  end
  return nil
end

---What an expression gives in the frame of another site whose document has this title.
---@param title string
---@param expression string
---@return any
function Page.__index:in_frame(title, expression)
  local session = frame_of(self, title)
  if not session then error("no frame with the title " .. title, 2) end
  local ok, given = eval_in(self, session, expression)
  if not ok then error(given, 2) end
  return given
end

---Waits until an expression is true in such a frame.
---@param title string
---@param expression string
function Page.__index:wait_frame(title, expression)
  for _ = 1, chromium.PATIENCE / 20 do
    local session = frame_of(self, title)
    local ok, given = false, nil
    if session then ok, given = eval_in(self, session, expression) end
    if ok and given and given ~= cjson.null then return given end
    self:eval "new Promise((resolve) => setTimeout(resolve, 20))"
  end
  error("not within its time in the frame: " .. expression, 2)
end

---Waits longer than `wait` does.
---@param expression string
---@param seconds number
function Page.__index:wait_long(expression, seconds)
  local waits = math.ceil(seconds * 1000 / chromium.PATIENCE)
  for i = 1, waits do
    local ok, found = pcall(self.wait, self, expression)
    if ok then return found end
    if i == waits then error(found, 2) end
  end
end

---Waits until an expression is true, and gives its value. Raises where it stays false.
---@param expression string
---@return any
function Page.__index:wait(expression)
  local found = self:eval(([[(async () => {
    const end = performance.now() + %d;
    for (;;) {
      try { const found = (%s); if (found) return found; } catch (error) { /* not there yet */ }
      if (performance.now() > end) return null;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })()]]):format(chromium.PATIENCE, expression))
  if found == nil or found == cjson.null then error("not within its time: " .. expression, 2) end
  return found
end

---Types a text where the focus is.
---@param text string
function Page.__index:type(text) self:command("Input.insertText", { text = text }) end

-- What a key is called, and what it types.
local KEYS = { Enter = { 13, "\r" }, Tab = { 9 }, Escape = { 27 }, Space = { 32, " " },
  ["/"] = { 191, "/" } }

---Presses a key.
---@param name string
function Page.__index:press(name)
  local code, text = table.unpack(KEYS[name])
  local key = name == "Space" and " " or name
  self:command("Input.dispatchKeyEvent", { type = text and "keyDown" or "rawKeyDown", key = key,
    code = name, windowsVirtualKeyCode = code, text = text })
  self:command("Input.dispatchKeyEvent", { type = "keyUp", key = key, code = name,
    windowsVirtualKeyCode = code })
end

---Takes a picture of what is seen.
---@param path string
function Page.__index:picture(path)
  local data = self:command("Page.captureScreenshot", { format = "png" }).data
  local file <close> = assert(io.open(path .. ".b64", "wb"))
  assert(file:write(data))
  file:flush()
  assert(shell("base64 -d <%s.b64 >%s && rm %s.b64", quote(path), quote(path), quote(path)))
end

function Page.__index:close()
  self.browser.pages[self.session] = nil
  self.browser:command("Target.closeTarget", { targetId = self.target })
end
Page.__close = function(self) self:close() end

return chromium
