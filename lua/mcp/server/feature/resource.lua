-- SPDX-License-Identifier: MIT
-- resource: registering, listing and reading resources and templates.
local completion = require "mcp.server.feature.completion"
local content = require "mcp.content"
local core = require "mcp.core"
local cursor = require "mcp.server.feature.cursor"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.server.feature.metadata"
local registry = require "mcp.server.feature.registry"
local ui = require "mcp.later" "mcp.message.ui"
local uri = require "mcp.later" "mcp.uri"
local value = require "mcp.value"

local resource = {}

resource.options = {
  name = "string", title = "string", description = "string", mime = "string",
  size = "number", annotations = "table", icons = "table", meta = "table",
  list = "function", complete = "table", cache = "table", visible = "function",
  timeout = "number", scopes = "table", budget = "table",
}

-- What is served under ui:// is a page, also without app:ui.
local function check_page(name, mime)
  if mime == ui.MIME then return end
  error(("mime: a page has %q, got %s; app:ui(%q, { file = … }) sets it"):format(ui.MIME,
    mime and ("%q"):format(mime) or "nothing", name), 0)
end

---Makes the entry of a resource, or of a template if the URI has expressions.
---@param name string the URI or template
---@param options table
---@param handler fun(vars: table, ctx: table): ...
---@return table entry
function resource.new(name, options, handler)
  local entry = { name = name, handler = handler, kind = "resource", mime = options.mime,
    lister = options.list, cache = metadata.cache(options.cache) }
  metadata.check_texts(options, "name", "title", "description", "mime")
  if name:find "^[Uu][Ii]://" then check_page(name, options.mime) end
  if name:find("{", 1, true) then
    local template, message = uri.template(name)
    if not template then error(message, 0) end
    entry.template = template
    entry.kind = "template"
    entry.known = {}
    for _, variable in ipairs(template.variables) do entry.known[variable] = true end
    entry.complete = completion.compile(options.complete, entry.known)
  else
    if not uri.valid_absolute(name) then
      error(("%q is no absolute URI (like \"notes://today\")"):format(name), 0)
    end
    if options.list then error("list: only a template lists what it matches", 0) end
    if options.complete then error("complete: only a template has variables", 0) end
  end
  entry.definition = {
    uri = not entry.template and name or nil,
    uriTemplate = entry.template and name or nil,
    name = options.name or name, title = options.title, description = options.description,
    mimeType = options.mime, size = not entry.template and options.size or nil,
    annotations = metadata.annotations(options.annotations),
    icons = metadata.icons(options.icons), _meta = metadata.meta(options.meta),
  }
  metadata.check_encodable(entry.definition)
  return gate.add(entry, options)
end

-- The definition as a revision knows it; `known` are the members of it.
local function view(definition, facts, known)
  local out = registry.view(definition, known)
  if out.annotations then out.annotations = registry.view(out.annotations, facts.annotations) end
  return out
end

local LISTED = {
  uri = "uri", name = "name", title = "title", description = "description", mime = "mimeType",
  size = "size", annotations = "annotations", icons = "icons", meta = "_meta",
}

-- One entry of what a template's `list` returned, as it goes out; nil, and a line in the log, for
-- one that JSON cannot carry: the others are not lost with it.
local function listed(entry, item, facts)
  if type(item) == "string" then item = { uri = item } end
  if type(item) ~= "table" or type(item.uri) ~= "string" then
    error(("resource %q: list: expected a URI or a table with uri"):format(entry.name), 0)
  end
  local out = { name = item.uri, mimeType = entry.mime }
  for key, member in pairs(item) do
    local name = LISTED[key]
    if not name then
      error(("resource %q: list: unknown member %q"):format(entry.name, tostring(key)), 0)
    end
    out[name] = member
  end
  out.annotations = metadata.annotations(out.annotations)
  out.icons = metadata.icons(out.icons)
  local text, reason = core.encode(view(out, facts, facts.resource))
  if text then return core.raw(text, true) end
  core.log("error", ("template %q: list: an entry is omitted: %s"):format(entry.name, reason))
  return nil
end

---resources/list. Kept as bytes unless a template lists what is there now.
function resource.list(app, ctx, params)
  local facts = ctx.revision
  local function make(entry)
    if entry.template or entry.unlisted then return nil end
    return view(entry.definition, facts, facts.resource)
  end
  local function wrap(list, following)
    return app:cacheable(facts, { resources = list, nextCursor = following })
  end
  if app.listers == 0 then
    return gate.list(app, ctx, "resources", app.resources, params, make, wrap)
  end
  local function gather()
    local list = value.array {}
    for _, entry in ipairs(app.resources.order) do
      local made = gate.sees(entry, ctx) and make(entry)
      if made then list[#list + 1] = registry.encoded(entry, made) end
    end
    for _, entry in ipairs(app.templates.order) do
      if entry.lister and gate.sees(entry, ctx) then
        for _, item in ipairs(entry.lister(ctx) or {}) do
          list[#list + 1] = listed(entry, item, facts)
        end
      end
    end
    return list
  end
  return cursor.slice(app, "resources and listed ones",
    cursor.generation(app, app.resources, app.templates), params, gather,
    app.resources.choosy + app.templates.choosy == 0 and wrap
      or function(list, following) return gate.private(wrap(list, following)) end)
end

---resources/templates/list
function resource.list_templates(app, ctx, params)
  local facts = ctx.revision
  return gate.list(app, ctx, "templates", app.templates, params,
    function(entry) return view(entry.definition, facts, facts.template) end,
    function(list, following)
      return app:cacheable(facts, { resourceTemplates = list, nextCursor = following })
    end)
end

---What a URI is answered with that nothing serves.
---@param ctx table
---@param asked string
---@return table err
function resource.not_found(ctx, asked)
  return failure.new(ctx.revision.not_found, "Resource not found: " .. asked, { uri = asked })
end

local CONTENTS = { uri = true, mimeType = true, text = true, blob = true, _meta = true }

-- A file as contents; without an answer it is closed.
local function file_as(entry, asked, file, mime, blob)
  local body, message, code = content.of_file(file)
  local made = body
  if body then made, message, code = content.contents(asked, body, mime, blob) end
  if made then return made end
  file:close()
  -- The client is gone, or has cancelled the request: no fault to be logged.
  if code == "ECANCELED" then error(failure.new(errors.INTERNAL_ERROR, message)) end
  error(("resource %q: %s"):format(entry.name, message), 0)
end

-- A string or a file as contents; `blob` as in content.contents.
local function string_of(entry, asked, text, blob)
  if type(text) ~= "string" then return file_as(entry, asked, text, entry.mime, blob) end
  local made, message = content.contents(asked, text, entry.mime, blob)
  if not made then error(("resource %q: %s"):format(entry.name, message), 0) end
  return made
end

local function is_body(member)
  return type(member) == "string" or content.is_file(member)
end

-- Puts a file that a handler gave as `text` or `blob` into these contents.
local function put_file(entry, contents, key)
  contents[key] = file_as(entry, "", contents[key], contents.mimeType, key == "blob")[key]
end

-- One of several contents that a handler gave: content, a string, or the table
-- of the protocol.
local function content_of(entry, asked, item)
  if type(item) == "string" or content.is_file(item) then
    return string_of(entry, asked, item)
  end
  if content.is(item) then
    if item.type == "text" then
      local blob = nil
      if not entry.mime then blob = false end
      return string_of(entry, asked, item.text, blob)
    end
    if item.type == "resource" then return item.resource end
    if item.blob or item.data then
      return { uri = asked, mimeType = item.mimeType, blob = item.blob or item.data }
    end
  end
  if type(item) == "table" and (is_body(item.text) or is_body(item.blob)) then
    local out = { uri = asked, mimeType = entry.mime }
    for key, member in pairs(item) do
      if not CONTENTS[key] then
        error(("resource %q: unknown member %q of contents"):format(entry.name, tostring(key)), 0)
      end
      out[key] = member
    end
    for _, key in ipairs { "text", "blob" } do
      if content.is_file(out[key]) then put_file(entry, out, key) end
    end
    return out
  end
  return nil
end

-- Is it a table as in the protocol's `contents`, and nothing else?
local function is_contents(item)
  if type(item) ~= "table" or not (is_body(item.text) or is_body(item.blob)) then
    return false
  end
  for key in next, item do
    if not CONTENTS[key] then return false end
  end
  return true
end

-- Is it a list of contents, not data that goes out as JSON? Rows of data may have a member `text`,
-- but hardly a `uri` as well.
local function is_list_of_contents(given)
  local first = type(given) == "table" and given[1]
  if type(first) == "string" or content.is(first) or content.is_file(first) then return true end
  if not is_contents(first) then return false end
  if type(first.uri) == "string" then return true end
  for _, item in ipairs(given) do
    if not is_contents(item) then return false end
  end
  return true
end

-- Turns what the handler returned into a result; nil if there is no such thing.
local function convert(entry, asked, given)
  if given == nil then return nil end
  local single = content_of(entry, asked, given)
  if single then return { contents = { single } } end
  if type(given) == "table" and type(given.contents) == "table" then
    local list = value.array {}
    for i, item in ipairs(given.contents) do
      list[i] = content_of(entry, asked, item)
        or error(("resource %q: contents[%d]: expected text or blob"):format(entry.name, i), 0)
    end
    local result = {}
    for key, member in pairs(given) do result[key] = member end
    result.contents = list
    return result
  end
  if is_list_of_contents(given) then
    local list = value.array {}
    for i, item in ipairs(given) do
      list[i] = content_of(entry, asked, item)
        or error(("resource %q: [%d]: expected a string, content, or a table with text or blob")
          :format(entry.name, i), 0)
    end
    return { contents = list }
  end
  local kind = type(given)
  if kind == "function" or kind == "thread" or (kind == "userdata" and given ~= value.null) then
    error(("resource %q returned a %s"):format(entry.name, kind), 0)
  end
  local text, reason = core.encode(given, true)
  if not text then
    error(("resource %q returned what JSON cannot carry: %s"):format(entry.name, reason), 0)
  end
  local mime = entry.mime or "application/json"
  return { contents = { { uri = asked, mimeType = mime, text = text } } }
end

---The entry that serves `asked`, and the template's variables; nil if there is
---none. Resources come before templates, templates in order of registration.
---@param app table
---@param asked string a URI
---@param ctx table of the caller, who may not see all of them
---@return table|nil entry
---@return table|nil vars
function resource.find(app, asked, ctx)
  if #asked > uri.LENGTH then return nil end
  local entry = app.resources.by_name[uri.normal(asked)]
  if entry and gate.sees(entry, ctx) then return entry, {} end
  if app.skill_set then
    entry = app.skill_set:find(asked, ctx)
    if entry then return entry, {} end
  end
  local templates = app.templates.order
  local spellings = templates[1] and uri.spellings(asked)
  for _, candidate in ipairs(templates) do
    local vars = candidate.template:match(asked, spellings)
    if vars and gate.sees(candidate, ctx) then return candidate, vars end
  end
  -- A mounted server may have more than it lists.
  entry = app.mounts and app.mounts:find(asked, ctx)
  if entry then return entry, {} end
  return nil
end

---resources/read
function resource.read(app, ctx, params)
  local asked = params.uri
  if type(asked) ~= "string" then
    return nil, failure.new(errors.INVALID_PARAMS, "resources/read: uri: expected a string, got "
      .. (asked == nil and "nothing" or value.kind(asked)))
  end
  local entry, vars = resource.find(app, asked, ctx)
  if not entry then return nil, resource.not_found(ctx, asked) end
  ctx.entry = entry
  ctx.uri = asked
  gate.limit(entry, ctx)
  local given = entry.handler(vars, ctx)
  -- What another server has sent goes out as it came.
  local result = entry.relayed and given or convert(entry, asked, given)
  if not result then return nil, resource.not_found(ctx, asked) end
  return app:cacheable(ctx.revision, result, entry.cache)
end

return resource
