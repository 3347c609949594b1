-- SPDX-License-Identifier: MIT
-- A watering plan. Hosts with MCP Apps show it as a page (garden.html), where each bed has a
-- button; others get it as text.
--
--   luamcp run examples/garden.lua
local mcp = require "mcp"

local app = mcp.server { name = "garden", version = "1.0.0" }

local BEDS = {
  { name = "roses", days = { "Monday", "Friday" } },
  { name = "tomatoes", days = { "Monday", "Wednesday", "Saturday" } },
  { name = "herbs", days = { "Sunday" } },
}

local watered = {} -- name -> date

-- The plan as data for the page.
local function plan()
  local beds = mcp.array()
  for i, bed in ipairs(BEDS) do
    beds[i] = { name = bed.name, days = mcp.array(bed.days), watered = watered[bed.name] }
  end
  return { beds = beds }
end

-- The plan as text for a model, and for people whose host shows no pages.
local function text()
  local lines = {}
  for i, bed in ipairs(BEDS) do
    lines[i] = ("%s: %s; last watered: %s"):format(bed.name, table.concat(bed.days, ", "),
      watered[bed.name] or "never")
  end
  return table.concat(lines, "\n")
end

-- Content is for the model, structured content for the page.
local function both() return { content = { mcp.text(text()) }, structuredContent = plan() } end

app:ui("ui://garden/plan", {
  file = "garden.html",
  name = "plan",
  description = "The watering plan, with a button for each bed",
  prefers_border = true,
})

app:tool "watering_plan" {
  description = "Show when each bed of the garden is watered, and when it last was",
  annotations = { read_only = true },
  ui = "ui://garden/plan",
} (both)

-- The page calls this one; the model is not shown it.
app:tool "water" {
  description = "Note that a bed was watered today",
  input = { bed = mcp.enum { "roses", "tomatoes", "herbs" } },
  ui = { visibility = { "app" } },
} (function(args)
  watered[args.bed] = os.date "%Y-%m-%d"
  return both()
end)

app:run()
