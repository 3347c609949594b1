-- SPDX-License-Identifier: MIT
-- job.lua: a long job that survives its connection.
--
--   luamcp run examples/job.lua --http 8000 FOLDER
--
-- The tool `count` works for a while. Its client may lose the connection at any moment and still
-- gets the result, in three ways, for which the handler does nothing:
--
--   as a task         the call returns at once, with the id of a task; any later connection asks
--                     for its state and fetches the result (2025-11-25 in its session, and the
--                     stateless revision)
--   in a session      the events of the response are stored; a client that comes back with the id
--                     of the last one gets the rest (2025-03-26 and later)
--   from the report   each step and the result are in a file, which the tool `report` and the
--                     resource report:///ID read, also after the process has ended
--
-- The reports lie in FOLDER, which is made if it is missing.
local mcp = require "mcp"

local folder <close> = assert(mcp.folder(arg[1] or error("usage: job.lua FOLDER", 0),
  { create = true }))

local app = mcp.server { name = "job", version = "1.0.0", tasks = { ttl = 600 } }

-- The last report of a job, or nil.
local function last_report(id)
  local text = folder:read(id .. ".jsonl")
  return text and mcp.json.decode(text:match "([^\n]+)\n*$" or "")
end

local function report(id, record)
  record.time = mcp.timestamp()
  assert(folder:append(id .. ".jsonl", mcp.json.encode(record, { sorted = true }) .. "\n"))
end

local ID = mcp.string { pattern = "^[a-z0-9-]+$", max_length = 64,
  description = "A name for the job: small letters, digits and -" }

app:tool "count" {
  description = "Count to a number, step by step. Takes as long as that takes.",
  task = "optional",
  timeout = 3600,
  input = {
    id = ID,
    to = mcp.integer { min = 1, max = 100000, default = 10 },
    pause = mcp.number { min = 0, max = 60, default = 1, description = "Seconds for a step" },
  },
} (function(args, ctx)
  report(args.id, { state = "working", done = 0, of = args.to })
  for step = 1, args.to do
    local ok, message = ctx:sleep(args.pause)
    if not ok then
      -- Cancelled: this is the last that the job says.
      return nil, message
    end
    report(args.id, { state = "working", done = step, of = args.to })
    ctx:progress(step, args.to, ("step %d of %d"):format(step, args.to))
  end
  report(args.id, { state = "done", done = args.to, of = args.to })
  return ("counted to %d"):format(args.to)
end)

app:tool "report" {
  description = "How far a job is, or how it ended.",
  input = { id = ID },
  annotations = { read_only = true },
} (function(args)
  local record = last_report(args.id)
  if not record then return nil, ("no job %q"):format(args.id) end
  return record
end)

app:resource "report:///{id}" {
  name = "report", description = "All reports of a job, a JSON object on each line",
  mime = "application/jsonl",
} (function(vars) return (folder:read(vars.id .. ".jsonl")) end)

app:run()
