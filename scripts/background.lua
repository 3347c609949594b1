-- SPDX-License-Identifier: MIT
-- background.lua: runs a server beside a script, on a port the system chooses, and ends it by its
-- process id. For the scripts of this folder; needs a POSIX shell and nothing else.
local background = {}

-- A server that has not said where it answers by then never will.
local PATIENCE = 10 -- seconds

local Server = { __name = "background.server" }
Server.__index = {}

---@param word string
---@return string word so that the shell takes it as it is
function background.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

---Starts `words` with its error output going to the file `log`, and waits until a line of that
---says where it answers. Raises if none does.
---@param words string[] a command and its arguments
---@param log string
---@param says string|nil a pattern that captures the address or a port in what others say
---@return table server with the fields url, port, pid
function background.start(words, log, says)
  local pattern = (says or "answers at (http://%S+)") .. "%s"
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = background.quote(word) end
  -- What an earlier one said there is no news.
  assert(io.open(log, "w")):close()
  -- The shell stays to wait for it, so that stop() learns when it is gone and how it went.
  local pipe = assert(io.popen(("%s </dev/null >/dev/null 2>%s & echo $!; %s; echo $?")
    :format(table.concat(quoted, " "), background.quote(log), "{ wait $!; } 2>/dev/null"), "r"))
  local self = setmetatable({ pipe = pipe, log = log, pid = math.tointeger(pipe:read "l") },
    Server)
  local limit = os.time() + PATIENCE
  repeat
    self.url = read_file(log):match(pattern)
    if self.url then
      self.port = math.tointeger(tonumber(self.url:match ":(%d+)" or self.url))
      return self
    end
    os.execute "sleep 0.05"
  until os.time() > limit or not self:is_alive()
  self:stop()
  error(("%s did not start:\n%s"):format(words[1], read_file(log)), 2)
end

---@return boolean
function Server.__index:is_alive()
  return self.pipe ~= nil and os.execute(("kill -0 %d 2>/dev/null"):format(self.pid)) == true
end

---Ends it and waits until it is gone.
---@return integer|nil status of its exit, nil if it was stopped before
function Server.__index:stop()
  if not self.pipe then return nil end
  os.execute(("kill %d 2>/dev/null"):format(self.pid))
  self.status = math.tointeger(self.pipe:read "l")
  self.pipe:close()
  self.pipe = nil
  return self.status
end
Server.__close = function(self) self:stop() end

---A port that was free a moment ago, for a server that cannot choose one itself.
---@param program string luamcp
---@param log string
---@return integer
function background.free_port(program, log)
  local server <close> = background.start({ program, "run", "examples/hello.lua", "--http",
    "127.0.0.1:0" }, log)
  return server.port
end

return background
