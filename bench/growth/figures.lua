-- SPDX-License-Identifier: MIT
-- figures: measures the points of a table in turns and prints it as Markdown, as in docs/scale.md.
local drive = require "drive"
local numbers = require "bench.figures"

local figures = {}

figures.median, figures.thousands = numbers.median, numbers.thousands

---Measures each point once a round. A point is a function that returns the cost of one call. The
---ratio of a point is the median of its ratios to the first point of the same round, so that what
---else the machine does in a round falls out.
---@param points (fun(): number)[]
---@param rounds integer
---@return number[] costs medians
---@return number[] ratios
function figures.rounds(points, rounds)
  local costs, ratios = {}, {}
  for i, point in ipairs(points) do
    point() -- what is made once has been made
    costs[i], ratios[i] = {}, {}
  end
  for round = 1, rounds do
    for i, point in ipairs(points) do
      costs[i][round] = point()
      ratios[i][round] = costs[i][round] / costs[1][round]
    end
  end
  for i in ipairs(points) do
    costs[i], ratios[i] = figures.median(costs[i]), figures.median(ratios[i])
  end
  return costs, ratios
end

---The processor time that `pids` use for each request of a load, in seconds.
---@param pids integer[]
---@param load fun(): table
---@return number
---@return table done what the load returned, with `cpu` by process
function figures.cost(pids, load)
  local before = {}
  for i, pid in ipairs(pids) do before[i] = drive.cpu_of(pid) end
  local done = load()
  if done.bad > 0 then
    error(("%d of %d answers were errors"):format(done.bad, done.requests), 0)
  end
  local sum = 0
  done.cpu = {}
  for i, pid in ipairs(pids) do
    done.cpu[i] = drive.cpu_of(pid) - before[i]
    sum = sum + done.cpu[i]
  end
  return sum / done.requests, done
end

---Prints a table.
---@param title string
---@param head string[]
---@param rows string[][]
function figures.print(title, head, rows)
  io.write("\n### ", title, "\n\n| ", table.concat(head, " | "), " |\n|", ("---|"):rep(#head), "\n")
  for _, row in ipairs(rows) do io.write("| ", table.concat(row, " | "), " |\n") end
  io.flush()
end

return figures
