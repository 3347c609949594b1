-- SPDX-License-Identifier: MIT
-- bench/peers/report.lua: the page of `make bench-peers`, from figures that are made up. It starts
-- no server and measures nothing.
local report = require "bench.peers.report"

local function samples(rate, cost, more)
  local list = {}
  for i = 1, 3 do
    list[i] = { rate = rate * i, cost = cost, p50 = 20, p99 = 1500, broken = 0 }
    for key, value in pairs(more or {}) do list[i][key] = value end
  end
  return list
end

local function run_of(rmcp)
  local function http()
    return {
      limit = { [64] = samples(60000, 10e-6) },
      luamcp = { [64] = samples(30000, 20e-6), idle = 4096, loaded = 5120 },
      rmcp = rmcp or { [64] = samples(6000, 80e-6), idle = 2048, loaded = 8192 },
    }
  end
  local function server(id, more)
    local it = { id = id, title = id, version = "1.2.3", tools = "cc", settings = "defaults",
      stdio = id .. " stdio", http = id .. " http {port}", session = id .. " session {port}" }
    for key, value in pairs(more or {}) do it[key] = value end
    return it
  end
  return {
    conns = { 64 }, seconds = 2, streams = 10, command = "    make bench-peers",
    servers = { { id = "limit", title = "bare limit" }, server "luamcp", server "rmcp",
      server("go-sdk", { missing = "go: not found" }) },
    failures = { { title = "rmcp", part = "stdio", reason = "it ended" } },
    facts = { { "day", "2026-11-30" } },
    http = http(), session = http(),
    stdio = { luamcp = { ping = samples(9000, 50e-6), flood = samples(90000, 5e-6) },
      limit = { ping = samples(9900, 5e-6), flood = samples(900000, 1e-6) } },
    start = { luamcp = { stdio = { 4, 3, 5 }, http = { 6, 6, 6 } },
      rmcp = { stdio = { 2, 2, 2 }, http = { 9, 9, 9 } } },
    idle_streams = { luamcp = { session = 1.5, listen = 1.25 }, rmcp = { session = 70 } },
  }
end

-- The page, and the names of the pictures beside it.
local function written(run)
  local folder = os.tmpname()
  os.remove(folder)
  folder = folder .. "/"
  local file = assert(io.open(report.write(run, folder)))
  local text = file:read "a"
  file:close()
  local pictures = {}
  for name in text:gmatch "%((pictures/[%w-]+%.svg)%)" do
    local picture = assert(io.open(folder .. name))
    pictures[name] = picture:read "a"
    picture:close()
    os.remove(folder .. name)
  end
  os.remove(folder .. "RESULTS.md")
  os.remove(folder .. "pictures")
  os.remove(folder)
  return text, pictures
end

local function assert_line(text, line)
  assert.is_truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true),
    ("no line %q in:\n%s"):format(line, text))
end

describe("the page of bench-peers", function()
  local text, pictures = written(run_of())

  it("has rates, the share of the limit and the ratio to luamcp", function()
    assert_line(text, "| luamcp | 60,000 | 20.0 µs | 1.5 ms | 0.500 | – |")
    assert_line(text, "| rmcp | 12,000 | 80.0 µs | 1.5 ms | 0.125 | 5.00 |")
    assert_line(text, "| luamcp | 18,000 | 20 µs | 1500 µs | 180,000 | 5.00 µs | – |")
  end)

  it("judges the goal by rate", function()
    assert_line(text, "| 2026-07-28 | 64 | 5.00 | pass | 4.00 |")
    local slower = written(run_of { [64] = samples(10000, 40e-6) })
    assert_line(slower, "| 2025-11-25 | 64 | 3.00 | MISS | 2.00 |")
  end)

  it("names where a peer is ahead of luamcp, and the bare limit as none of them", function()
    assert_line(text, "- start over stdio: rmcp 2.0 ms; luamcp 4.0 ms")
    assert_line(text, "- resident memory after one call: rmcp 2.00 MB; luamcp 4.00 MB")
    assert.is_nil(text:find("- start over HTTP", 1, true))
    assert.is_nil(text:find("- stdio, calls", 1, true))
    local faster = written(run_of { [64] = samples(50000, 15e-6) })
    assert_line(faster, "- HTTP, revision 2026-07-28, calls a second at 64 connections: "
      .. "rmcp 100000; luamcp 60000")
  end)

  it("names what is missing, with the reason", function()
    assert_line(text, "| go-sdk | not measured: go: not found | cc | defaults |")
    assert_line(text, "- rmcp, stdio: it ended")
    assert_line(text, "| rmcp | 70.00 KB | – |")
  end)

  it("has a picture for each table, and the commands", function()
    local count = 0
    for name, svg in pairs(pictures) do
      count = count + 1
      assert.matches("^<svg.*</svg>%s*$", svg, name)
    end
    assert.equal(6, count)
    assert_line(text, "    rmcp session PORT")
    assert_line(text, "    make bench-peers")
  end)
end)
