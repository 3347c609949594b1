-- SPDX-License-Identifier: MIT
-- The pictures of docs/scale.md show the figures of its tables.
local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("the pictures of docs/scale.md", function()
  local pictures_of = dofile "scripts/pictures/growth.lua"

  it("are those of its tables; `make pictures` draws them again", function()
    local count = 0
    for name, svg in pairs(pictures_of(read "docs/scale.md")) do
      count = count + 1
      local path = ("docs/pictures/scale/%s.svg"):format(name)
      assert.equal(svg, read(path), path .. " differs from its table")
      assert.is_true(#svg < 40000, path .. " has " .. #svg .. " bytes")
    end
    assert.is_true(count >= 8, count .. " pictures")
  end)

  local function page(first)
    return ([[
| notes | a | ratio | b | ratio | c | ratio | d | ratio |
|---|---|---|---|---|---|---|---|---|
| 1 | %s | 1.00 | 2 | 1.00 | 3 | 1.00 | 4 | 1.00 |
| 1,000 | 1,234.5 | 1.00 | 2 | 1.00 | 3 | 1.00 | 4 | 1.00 |

![Notes](pictures/scale/notes.svg)
]]):format(first)
  end

  it("follow each figure, and need a table of numbers", function()
    local svg = pictures_of(page "1.5").notes
    assert.matches("Notes", svg, 1, true)
    assert.matches("1,000", svg, 1, true)
    assert.not_equal(svg, pictures_of(page "900").notes)
    assert.has_error(function() pictures_of(page "many") end, 'expected a number, got "many"')
    assert.has_error(function() pictures_of "![Notes](pictures/scale/notes.svg)" end,
      "docs/scale.md: no table before the picture notes")
    assert.has_error(function() pictures_of(page("1"):gsub("notes%.", "nothing.")) end,
      "docs/scale.md: pictures/scale/nothing.svg has no entry in PICTURES")
  end)
end)
