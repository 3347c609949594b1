-- SPDX-License-Identifier: MIT
-- skill_folder: the skills below a folder on disk: which there are, their heads, and the digests of
-- their files. A file is read again when its size or its time has changed. Knows no app.
local folder = require "mcp.folder"
local skill = require "mcp.message.skill"

local skill_folder = {}

--- Folders inside each other: a link of the file system into itself has no end.
skill_folder.DEPTH = 16
--- Files and folders below one folder: a folder given by mistake, such as the home directory.
skill_folder.ENTRIES = 16384

-- Bytes by which a file may have grown since its folder was listed.
local SPARE = 4096

-- Media types by the end of a name. A file with another end is text if it is UTF-8.
local TYPES = {
  md = skill.MIME, markdown = skill.MIME, txt = "text/plain", json = "application/json",
  yaml = "application/yaml", yml = "application/yaml", toml = "application/toml",
  xml = "application/xml", csv = "text/csv", html = "text/html", css = "text/css",
  js = "text/javascript", mjs = "text/javascript", ts = "text/x-typescript",
  py = "text/x-python", lua = "text/x-lua", sh = "text/x-shellscript", rb = "text/x-ruby",
  sql = "application/sql", svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg",
  jpeg = "image/jpeg", gif = "image/gif", webp = "image/webp", pdf = "application/pdf",
  zip = "application/zip", wasm = "application/wasm",
}

---@class mcp.SkillFile
---@field uri string
---@field path string from the folder
---@field name string
---@field mime string|nil
---@field size integer
---@field digest string

---@class mcp.SkillOnDisk
---@field uri string of its SKILL.md
---@field head table
---@field files mcp.SkillFile[]
---@field size integer bytes of all files

local function mime_of(name)
  return TYPES[(name:match "%.([^.]*)$" or ""):lower()]
end

-- A name as a segment of a path.
local function escaped(name)
  return (name:gsub("[^%w%-._~!$&'()*+,;=]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

local function escaped_path(path)
  return (path:gsub("[^/]+", escaped))
end

local Source = { __name = "mcp.skill_folder" }
Source.__index = {}

-- Raises (caught by `scan`) that the folder cannot be read at all.
local function stop(text, ...) error({ stopped = text:format(...) }, 0) end

-- What an operation on the folder returned. The end of the request that waits for the disk says
-- nothing of the files: then the whole scan ends.
local function unless_cancelled(result, text, code)
  if code == "ECANCELED" then error({ stopped = text, cancelled = true }, 0) end
  return result, text, code
end

local add

-- What lies below `path`, as a tree of { path, uri, files = { … }, folders = { … } }.
local function walk(self, path, uri, depth, count)
  if depth > skill_folder.DEPTH then
    stop("%s: more than %d folders inside each other", path, skill_folder.DEPTH)
  end
  local list, text = unless_cancelled(self.folder:list(path))
  if not list then stop("%s: %s", path == "" and "the folder" or path, text) end
  local node = { path = path, uri = uri, files = {}, folders = {} }
  for _, entry in ipairs(list) do
    local name = entry.name
    local at = path == "" and name or path .. "/" .. name
    count.n = count.n + 1
    if count.n > skill_folder.ENTRIES then
      stop("more than %d files: is it the folder of your skills?", skill_folder.ENTRIES)
    end
    -- Names that begin with a dot belong to tools, such as .git.
    if name:sub(1, 1) ~= "." then add(self, node, name, at, entry, depth, count) end
  end
  return node
end

-- Adds what one name in a folder stands for.
function add(self, node, name, at, entry, depth, count)
  local uri = node.uri
  if entry.kind == "link" then
    -- A link that leads out of the folder is refused here.
    local target, text = unless_cancelled(self.folder:stat(at))
    if not target then return self:complain(at, text) end
    entry = target
  end
  if not utf8.len(name) then
    self:complain(at, "the name is not UTF-8")
  elseif entry.kind == "folder" then
    local below = walk(self, at, (uri and uri .. "/" or "skill://") .. escaped(name), depth + 1,
      count)
    below.name = name
    node.folders[#node.folders + 1] = below
  elseif entry.kind == "file" then
    local file = { path = at, name = name, size = entry.size, modified = entry.modified,
      mime = mime_of(name), uri = uri and uri .. "/" .. escaped(name) }
    node.files[#node.files + 1] = file
    if name == skill.FILE then node.skill = file end
  else
    self:complain(at, "expected a file or a folder")
  end
end

-- All files below a node, into `out`.
local function gather(node, out)
  for _, file in ipairs(node.files) do out[#out + 1] = file end
  for _, below in ipairs(node.folders) do gather(below, out) end
  return out
end

-- Adds what is known of the bytes of a file: its digest, and the head of a SKILL.md. False, and
-- the reason, if it cannot be read.
local function learn(self, file)
  local known = self.known[file.path]
  if not known or known.size ~= file.size or known.modified ~= file.modified then
    local bytes, text = unless_cancelled(self:bytes(file))
    if not bytes then return false, text end
    -- What was read counts, not what the folder said a moment ago.
    known = { size = file.size, modified = file.modified, bytes = #bytes,
      digest = skill.digest(bytes) }
    if file.name == skill.FILE then known.head, known.problem = skill.head(bytes) end
  end
  self.read[file.path] = known
  file.size, file.digest = known.bytes, known.digest
  return true
end

-- The skill of a node; nil after a complaint.
local function skill_of(self, node)
  local main = node.skill
  local ok, text = learn(self, main)
  if not ok then return self:complain(main.path, text) end
  local known = self.read[main.path]
  if not known.head then return self:complain(main.path, known.problem) end
  local name = node.name or self.name
  if known.head.name ~= name then
    return self:complain(main.path, ("name: expected %q, as the folder is called, got %q"):format(
      name, known.head.name))
  end
  local reserved = skill.reserved(known.head)
  if reserved then
    return self:complain(main.path, ("metadata: %q is reserved for extensions of MCP")
      :format(reserved))
  end
  local files, total = gather(node, {}), 0
  table.sort(files, function(a, b) return a.path < b.path end)
  if #files > skill.FILES then
    return self:complain(node.path, ("the skill has %d files: expected at most %d"):format(#files,
      skill.FILES))
  end
  for _, file in ipairs(files) do
    ok, text = learn(self, file)
    if not ok then return self:complain(file.path, text) end
    total = total + file.size
    if total > skill.SIZE then
      return self:complain(node.path, ("the skill has more than %d bytes"):format(skill.SIZE))
    end
  end
  return { uri = main.uri, head = known.head, files = files, size = total }
end

-- Every node that is a skill, those inside others too.
local function skills_in(self, node, out)
  if node.skill then
    local found = skill_of(self, node)
    if found then out[#out + 1] = found end
  end
  for _, below in ipairs(node.folders) do skills_in(self, below, out) end
  return out
end

---Notes what is wrong with a path; the rest is served.
---@param path string
---@param text string
---@return nil
function Source.__index:complain(path, text)
  self.problems[#self.problems + 1] = ("%s: %s"):format(path == "" and "the folder" or path, text)
  return nil
end

local function failed(problem)
  if type(problem) ~= "table" or not problem.stopped then error(problem, 0) end
  return nil, problem.stopped, problem.cancelled and "ECANCELED" or nil
end

---Reads the folder. Waits for the disk.
---@return { skills: mcp.SkillOnDisk[], tree: table, problems: string[] }|nil
---@return string|nil message if nothing can be read
---@return string|nil code "ECANCELED"
function Source.__index:scan()
  self.problems, self.read = {}, {}
  local base = self.prefix
  local ok, tree = pcall(walk, self, "", base and "skill://" .. escaped_path(base), 0, { n = 0 })
  if ok and tree.skill then
    -- The folder is a skill itself: its own name belongs to its address.
    self.problems = {}
    local uri = "skill://" .. (base and escaped_path(base) .. "/" or "") .. escaped(self.name)
    ok, tree = pcall(walk, self, "", uri, 0, { n = 0 })
  end
  if not ok then
    return failed(tree)
  end
  local skills
  ok, skills = pcall(skills_in, self, tree, {})
  if not ok then return failed(skills) end
  self.known, self.read = self.read, {}
  return { skills = skills, tree = tree, problems = self.problems }
end

---The bytes of a file now. Waits for the disk.
---@param file mcp.SkillFile
---@return string|nil bytes
---@return string|nil message
---@return string|nil code
function Source.__index:bytes(file)
  -- The limit of a read is memory that it takes: the size of the file, unless it has grown.
  local bytes, text, code = self.folder:read(file.path, math.min(file.size + SPARE, skill.SIZE))
  if code ~= "ETOOBIG" then return bytes, text, code end
  return self.folder:read(file.path, skill.SIZE)
end

---A folder of skills.
---@param path string
---@param prefix string|nil what comes before the paths of its skills
---@param script string|nil that names a relative path, as debug.getinfo says: the path is looked
---for beside it, and then from where the process runs
---@return table|nil source
---@return string|nil message
function skill_folder.open(path, prefix, script)
  local beside = path:sub(1, 1) ~= "/" and script and script:match "^@(.*)/[^/]*$"
  local opened, text = folder.open(beside and beside .. "/" .. path or path)
  if not opened and beside then opened, text = folder.open(path) end
  if not opened then return nil, text end
  return setmetatable({ folder = opened, prefix = prefix, known = {}, read = {}, problems = {},
    name = path:gsub("/+$", ""):match "([^/]*)$" }, Source)
end

return skill_folder
