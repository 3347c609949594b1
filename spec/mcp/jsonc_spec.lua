-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local jsonc = require "mcp.jsonc"

describe("jsonc.plain", function()
  for text, expected in pairs {
    ['{"a":1}'] = '{"a":1}',
    ['{"a":1,}'] = '{"a":1 }',
    ["[1,2 , ]"] = "[1,2   ]",
    ['[1, // c\n]'] = "[1      \n]",
    ['[1 /* a,] */ , /* b */ ]'] = "[1                     ]",
    ['{"//":"/* , ] */",}'] = '{"//":"/* , ] */" }',
    ['{"a\\"//":1}// end'] = '{"a\\"//":1}      ',
    ["\u{FEFF}{}"] = "   {}",
    ["// é\r\n1"] = "     \r\n1",
  } do
    it(("%q"):format(text), function()
      assert.equal(expected, jsonc.plain(text))
      assert.equal(#text, #jsonc.plain(text))
      assert.is_not_nil(core.decode(expected))
    end)
  end

  -- What is wrong for another reason stays wrong.
  for _, text in ipairs { "[,]", "[1,,]", "{,}", '{"a":,}', "/* no end", '["no end', "[1]/", ",",
    '{"a" /* c */ 1}', "[1 2]", "[1,", "# no" } do
    it(("leaves the fault in %q"):format(text), function()
      assert.is_nil((core.decode(jsonc.plain(text))))
    end)
  end

  it("takes a time that grows with the length only", function()
    for _, piece in ipairs { ",", "/", "/*", "//", '"', "\\", "[", " ", ", ", "/**/", ",//\n" } do
      local text = "[" .. piece:rep(200000 // #piece)
      local start = os.clock()
      jsonc.plain(text)
      assert.is_true(os.clock() - start < 2, piece)
    end
  end)
end)

describe("jsonc.scan", function()
  it("says where values stand", function()
    local text = '\u{FEFF}// c\n{ "a" : [1, {"x": "}"}], /* } */ "b\\u0041": true , "c": {} , }'
    local root = jsonc.scan(text)
    local found = {}
    for i, member in ipairs(root.members) do
      found[i] = { member.name, text:sub(member.value.first, member.value.last),
        member.comma and text:sub(member.comma, member.comma) }
    end
    assert.same({ { "a", '[1, {"x": "}"}]', "," }, { "b\\u0041", "true", "," },
      { "c", "{}", "," } }, found)
    assert.same({ "{", "}" }, { text:sub(root.first, root.first), text:sub(root.last, root.last) })
  end)
end)
