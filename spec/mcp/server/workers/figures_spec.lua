-- SPDX-License-Identifier: MIT
-- The figures of several workers as one.
local figures = require "mcp.server.workers.figures"
local metrics = require "mcp.server.listen.metrics"

local function family(name, kind, ...)
  local samples = {}
  for i, each in ipairs { ... } do
    samples[i] = { name = each[1] or name, labels = each[2], value = each[3] }
  end
  return { name = name, kind = kind, help = name .. ".", samples = samples }
end

describe("the figures of workers", function()
  it("are the same after they were written and read", function()
    local families = { family("a_total", "counter", { nil, 'x="1\n"', 3 }, { nil, "", 0.5 }),
      family("b", "gauge", { nil, "", math.huge }), family("empty", "counter") }
    assert.same(families, figures.unpack(figures.pack(families)))
    assert.same(families, figures.unpack("xy" .. figures.pack(families), 3))
    assert.same({}, figures.unpack "")
  end)

  it("are added by labels, but for those of which the largest counts", function()
    local sum = figures.new()
    figures.add(sum, { family("a_total", "counter", { nil, 'x="1"', 3 }, { nil, 'x="3"', 1 }),
      family("luamcp_loop_delay_seconds", "gauge", { nil, "", 0.25 }),
      family("held", "gauge", { nil, "", 5 }) })
    figures.add(sum, { family("a_total", "counter", { nil, 'x="2"', 4 }, { nil, 'x="3"', 1 }),
      family("luamcp_loop_delay_seconds", "gauge", { nil, "", 0.125 }),
      family("held", "gauge", { nil, "", 7 }) })
    assert.equal([[
# HELP a_total a_total.
# TYPE a_total counter
a_total{x="1"} 3
a_total{x="2"} 4
a_total{x="3"} 2
# HELP luamcp_loop_delay_seconds luamcp_loop_delay_seconds.
# TYPE luamcp_loop_delay_seconds gauge
luamcp_loop_delay_seconds 0.25
# HELP held held.
# TYPE held gauge
held 12
]], metrics.text(figures.families(sum)))
  end)

  it("keep what was counted by a worker that has ended", function()
    local sum = figures.new()
    figures.add(sum, { family("a_total", "counter", { nil, "", 3 }),
      family("held", "gauge", { nil, "", 5 }) }, true)
    figures.add(sum, { family("a_total", "counter", { nil, "", 1 }) })
    assert.equal("# HELP a_total a_total.\n# TYPE a_total counter\na_total 4\n",
      metrics.text(figures.families(sum)))
  end)

  it("have histograms in one piece", function()
    local sum = figures.new()
    local function histogram(labels)
      return family("t", "histogram", { "t_bucket", labels .. ',le="1"', 1 },
        { "t_bucket", labels .. ',le="10"', 2 }, { "t_bucket", labels .. ',le="+Inf"', 2 },
        { "t_sum", labels, 3.5 }, { "t_count", labels, 2 })
    end
    figures.add(sum, { histogram 'm="b"' })
    figures.add(sum, { histogram 'm="a"' })
    local lines = {}
    for line in metrics.text(figures.families(sum)):gmatch "[^\n]+" do
      lines[#lines + 1] = line:match "^t_(%l+{%S-)}"
    end
    assert.same({ 'bucket{m="a",le="1"', 'bucket{m="a",le="10"', 'bucket{m="a",le="+Inf"',
      'sum{m="a"', 'count{m="a"', 'bucket{m="b",le="1"', 'bucket{m="b",le="10"',
      'bucket{m="b",le="+Inf"', 'sum{m="b"', 'count{m="b"' }, lines)
  end)
end)
