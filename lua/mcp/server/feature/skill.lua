-- SPDX-License-Identifier: MIT
-- skill: what an app has registered with `app:skills(folder)`: the methods of the extension
-- io.modelcontextprotocol/skills, and the files of skills as resources. Each SKILL.md is an entry
-- of app.resources; the other files of a skill are found by their URI and are not listed. Loaded by
-- apps that have skills.
local check_options = require("mcp.options").check
local content = require "mcp.content"
local core = require "mcp.core"
local cursor = require "mcp.server.feature.cursor"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.server.feature.metadata"
local shared = require "mcp.message.skill"
local skill_folder = require "mcp.server.feature.skill_folder"
local uri = require "mcp.uri"
local value = require "mcp.value"

local skill = {}

--- A folder is looked at again when what is known of it is older, in seconds: a client that lists
--- without a pause must not make the disk busy.
skill.AGE = 1

local OPTIONS = { prefix = "string", visible = "function", scopes = "table", cache = "table",
  timeout = "number" }

---The skills of an app, from all its folders.
local Set = { __name = "mcp.skills" }
Set.__index = {}

-- --- what there is ------------------------------------------------------------------------------

-- A file's bytes as they go out: those of the digest, whatever they are.
local function contents_of(asked, file, bytes)
  local made = content.contents(asked, bytes, file.mime)
    or content.contents(asked, bytes, file.mime, true)
  return { contents = { made } }
end

-- What resources/read calls for one file.
local function reader(source, file)
  return function(_, ctx)
    local bytes, text, code = source.disk:bytes(file)
    if bytes then return contents_of(ctx.uri or file.uri, file, bytes) end
    -- No client waits for what a cancelled request would have read.
    if code == "ENOENT" or code == "ECANCELED" then return nil end
    error(("%s: %s"):format(file.path, text), 0)
  end
end

-- A file that is not listed.
local function file_entry(source, file)
  return gate.add({ name = file.uri, kind = "resource", mime = file.mime, cache = source.cache,
    handler = reader(source, file), at = source.at }, source.options)
end

-- A SKILL.md, which is.
local function main_entry(source, found)
  local file = { uri = found.uri, mime = shared.MIME }
  for _, each in ipairs(found.files) do
    if each.uri == found.uri then file = each end
  end
  local entry = file_entry(source, file)
  entry.definition = { uri = found.uri, name = found.head.name,
    description = found.head.description, mimeType = shared.MIME, size = file.size }
  return entry
end

-- An entry of skills/list, encoded.
local function listed(found)
  local files = value.array {}
  for i, file in ipairs(found.files) do
    files[i] = { uri = file.uri, digest = file.digest, size = file.size }
  end
  return core.raw { uri = found.uri, frontmatter = found.head, resources = files }
end

-- The folders of a tree by their URIs: what each has in it.
local function learn_folders(node, main, out)
  local children = value.array {}
  for _, below in ipairs(node.folders) do
    children[#children + 1] = { uri = below.uri, name = below.name, mimeType = shared.DIRECTORY }
    learn_folders(below, main, out)
  end
  for _, file in ipairs(node.files) do
    if main[file.uri] then
      children[#children + 1] = main[file.uri].definition
    elseif file.digest then -- the file of a skill
      children[#children + 1] = { uri = file.uri, name = file.name, mimeType = file.mime,
        size = file.size }
    end
  end
  if node.uri then out[uri.normal(node.uri)] = children end
end

-- --- looking at the disk ------------------------------------------------------------------------

-- Puts the SKILL.md resources of a source into app.resources, in place of those that it had. Raises
-- (level 0) on one that is registered elsewhere.
local function replace(app, source, skills)
  local before, after = source.main, {}
  for _, found in ipairs(skills) do
    local key, entry = uri.normal(found.uri), main_entry(source, found)
    local there = app.resources.by_name[key]
    if there and before[found.uri] ~= there then
      error(("resource %q is registered already, at %s"):format(found.uri, there.at), 0)
    end
    local old = before[found.uri]
    if old and not shared.difference(old.definition, entry.definition) then entry = old end
    after[found.uri] = entry
  end
  for address, entry in pairs(before) do
    if after[address] ~= entry then app.resources:remove(uri.normal(address)) end
  end
  for _, found in ipairs(skills) do
    local entry = after[found.uri]
    if before[found.uri] ~= entry then app.resources:add(uri.normal(found.uri), entry) end
  end
  source.main = after
end

-- Tells the subscribers of files that have other bytes now.
local function announce(app, before, after)
  for address, file in pairs(after) do
    local old = before[address]
    if old and old.digest ~= file.digest then app.bus:publish(file.uri) end
  end
end

-- One text for all that clients can see of a folder. Cursors and lists are good while it stays.
local function state_of(found)
  local lines = {}
  local function add_folders(node)
    lines[#lines + 1] = node.uri or ""
    for _, below in ipairs(node.folders) do add_folders(below) end
  end
  add_folders(found.tree)
  for _, each in ipairs(found.skills) do
    lines[#lines + 1] = each.uri
    for _, file in ipairs(each.files) do lines[#lines + 1] = file.uri .. " " .. file.digest end
  end
  return shared.digest(table.concat(lines, "\n"))
end

-- Takes what was found on the disk, if it is not what is known.
local function take(app, set, source, found)
  local files, by_uri, entries = {}, {}, value.array {}
  local state = state_of(found)
  if state == source.state then return end
  replace(app, source, found.skills)
  for i, each in ipairs(found.skills) do
    for _, file in ipairs(each.files) do files[uri.normal(file.uri)] = file end
    entries[i] = { uri = each.uri, raw = listed(each) }
    by_uri[uri.normal(each.uri)] = entries[i]
  end
  announce(app, source.files, files)
  source.files, source.entries, source.by_uri, source.folders = files, entries, by_uri, {}
  learn_folders(found.tree, source.main, source.folders)
  source.state, set.generation = state, set.generation + 1
end

-- What is wrong with the files of a running server: logged once, and what is wrong is not served.
local function complain(source, problems)
  local text = table.concat(problems, "\n")
  if text ~= source.complaint then
    for _, problem in ipairs(problems) do
      core.log("error", ("skills in %s: %s"):format(source.path, problem))
    end
  end
  source.complaint = text
end

-- Ends a look, also when its request is cancelled and its coroutine closed.
local Looking = { __close = function(looking) looking.source.looking = false end }

-- Looks at a folder again if what is known of it is old. Waits for the disk; while one request
-- does, others get what was known before.
local function refresh(app, set, source)
  if source.looking or core.now() - source.looked < skill.AGE then return end
  local looking <close> = setmetatable({ source = source }, Looking) -- luacheck: ignore
  source.looking = true
  local found, text, code = source.disk:scan()
  -- A request that was cancelled has learned nothing.
  if code == "ECANCELED" then return end
  source.looked = core.now()
  if not found then return complain(source, { text }) end
  complain(source, found.problems)
  local taken, reason = pcall(take, app, set, source, found)
  if not taken then complain(source, { tostring(reason) }) end
end

local function refresh_all(app, set)
  for _, source in ipairs(set.sources) do refresh(app, set, source) end
end

-- --- the methods --------------------------------------------------------------------------------

-- Good for this caller alone if another one may get something else.
local function marked(set, result)
  if set.choosy then result.cacheScope = "private" end
  return result
end

local function list(ctx, params)
  local app = ctx.app
  local set = app.skill_set
  refresh_all(app, set)
  local function gather()
    local all = value.array {}
    for _, source in ipairs(set.sources) do
      if gate.sees(source, ctx) then
        for _, entry in ipairs(source.entries) do all[#all + 1] = entry.raw end
      end
    end
    return all
  end
  return cursor.slice(app, "skills", set.generation, params, gather, function(some, following)
    return marked(set, { skills = some, nextCursor = following })
  end)
end

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

-- The URI that a request names, normal, and as it was written.
local function asked_of(method, params)
  local asked = params.uri
  if type(asked) ~= "string" then
    return invalid("%s: uri: expected a string, got %s", method,
      asked == nil and "nothing" or value.kind(asked))
  end
  if #asked > uri.LENGTH then return invalid("%s: uri: too long", method) end
  return uri.normal(asked), asked
end

local function get(ctx, params)
  local app, address, asked = ctx.app, asked_of("skills/get", params)
  if not address then return nil, asked end
  local set = app.skill_set
  refresh_all(app, set)
  for _, source in ipairs(set.sources) do
    local entry = source.by_uri[address]
    if entry and gate.sees(source, ctx) then return marked(set, { skill = entry.raw }) end
  end
  return invalid("No skill is served at %s", asked)
end

local function read_directory(ctx, params)
  local app, address, asked = ctx.app, asked_of("resources/directory/read", params)
  if not address then return nil, asked end
  local set = app.skill_set
  refresh_all(app, set)
  local found
  for _, source in ipairs(set.sources) do
    local children = source.folders[address]
    if children and gate.sees(source, ctx) then
      -- Two folders with one prefix make one directory.
      found = found or value.array {}
      for _, child in ipairs(children) do found[#found + 1] = child end
    end
  end
  if not found then
    return invalid(set:find(asked, ctx) and "%s is not a directory" or "There is no directory %s",
      asked)
  end
  return cursor.slice(app, "directory " .. address, set.generation, params,
    function() return found end,
    function(some, following) return { resources = some, nextCursor = following } end)
end

---The entry of a skill's file that is not listed.
---@param asked string a URI
---@param ctx table
---@return table|nil entry
function Set.__index:find(asked, ctx)
  local address = uri.normal(asked)
  for _, source in ipairs(self.sources) do
    local file = source.files[address]
    if file and gate.sees(source, ctx) then
      return source.main[file.uri] or file_entry(source, file)
    end
  end
  return nil
end

-- --- registering --------------------------------------------------------------------------------

-- The extension, once there are skills.
local function declare(app)
  app:extension {
    id = shared.ID, settings = { directoryRead = true },
    -- Clients need not say that they know skills.
    open = true,
    methods = {
      ["skills/list"] = { handler = list, idempotent = true, cache_key = "cursor" },
      ["skills/get"] = { handler = get, idempotent = true, cache_key = "uri", scope = "resource" },
      ["resources/directory/read"] = { handler = read_directory, idempotent = true },
    },
  }
end

local function check_prefix(prefix)
  if prefix and (not prefix:find "^[%w][%w._~/-]*$" or prefix:find "//" or prefix:find "/$"
    or prefix:find "%f[^/\0]%.%.?%f[/\0]") then
    error(('prefix: expected a path such as "acme/billing", got %q'):format(prefix), 0)
  end
end

local function open(app, path, options, at, script)
  check_options("options", options, OPTIONS, 0)
  check_prefix(options.prefix)
  local disk, text = skill_folder.open(path, options.prefix, script)
  if not disk then error(text, 0) end
  local source = gate.add({ disk = disk, path = path, options = options, at = at,
    cache = metadata.cache(options.cache), main = {}, files = {}, entries = {}, by_uri = {},
    folders = {}, looking = false, looked = core.now() }, options)
  if source.scopes and not app.auth then
    error("scopes: this server has no authorization (mcp.server { auth = … })", 0)
  end
  local found
  found, text = disk:scan()
  if not found then error(text, 0) end
  if found.problems[1] then error(table.concat(found.problems, "\n  "), 0) end
  if not found.skills[1] then
    error("no folder in it has a SKILL.md: expected FOLDER/NAME/SKILL.md", 0)
  end
  return source, found
end

---Serves the skills of a folder. Raises (level 0) what is wrong with them.
---@param app table
---@param path string
---@param options table|nil prefix, visible, scopes, cache, timeout
---@param at string where that is written
---@param script string|nil what a relative path is meant from, as debug.getinfo says
---@return string[] uris of the skills
function skill.add(app, path, options, at, script)
  if type(path) ~= "string" or path == "" then
    error("app:skills: expected the path of a folder, got "
      .. (path == "" and "an empty one" or type(path)), 0)
  end
  local ok, source, found = pcall(open, app, path, options or {}, at, script)
  if not ok then error(("skills in %q: %s"):format(path, source), 0) end
  local set = app.skill_set or setmetatable({ sources = {}, generation = 0, choosy = false }, Set)
  local taken, text = pcall(take, app, set, source, found)
  if not taken then error(("skills in %q: %s"):format(path, text), 0) end
  set.sources[#set.sources + 1] = source
  set.choosy = set.choosy or source.visible ~= nil
  if source.scopes then app.scoped = app.scoped + 1 end
  if not app.skill_set then
    app.skill_set = set
    declare(app)
  end
  local uris = {}
  for i, each in ipairs(found.skills) do uris[i] = each.uri end
  return uris
end

return skill
