-- SPDX-License-Identifier: MIT
-- JSONTestSuite (RFC 8259): what every reader must take, what every reader
-- must refuse, and what we do where the RFC leaves the choice.

local json = require "codecs.json"

local folder = (os.getenv "MCP_CORPORA" or "../shared/corpora") .. "/json/test_parsing/"

-- Files a reader may take or refuse. What we refuse has the code of the refusal.
local choices = {
  -- Tiny numbers become zero, as in every language: nothing else is nearer.
  ["i_number_double_huge_neg_exp.json"] = "taken",
  ["i_number_real_underflow.json"] = "taken",
  -- Beyond int64 an integer is the nearest double.
  ["i_number_too_big_neg_int.json"] = "taken",
  ["i_number_too_big_pos_int.json"] = "taken",
  ["i_number_very_big_negative_int.json"] = "taken",
  -- No finite double is near these.
  ["i_number_huge_exp.json"] = "ENUMBER",
  ["i_number_neg_int_huge_exp.json"] = "ENUMBER",
  ["i_number_pos_double_huge_exp.json"] = "ENUMBER",
  ["i_number_real_neg_overflow.json"] = "ENUMBER",
  ["i_number_real_pos_overflow.json"] = "ENUMBER",
  -- Half a surrogate pair is no character and cannot become UTF-8.
  ["i_object_key_lone_2nd_surrogate.json"] = "EUTF8",
  ["i_string_1st_surrogate_but_2nd_missing.json"] = "EUTF8",
  ["i_string_1st_valid_surrogate_2nd_invalid.json"] = "EUTF8",
  ["i_string_incomplete_surrogate_and_escape_valid.json"] = "EUTF8",
  ["i_string_incomplete_surrogate_pair.json"] = "EUTF8",
  ["i_string_incomplete_surrogates_escape_valid.json"] = "EUTF8",
  ["i_string_invalid_lonely_surrogate.json"] = "EUTF8",
  ["i_string_invalid_surrogate.json"] = "EUTF8",
  ["i_string_inverted_surrogates_U+1D11E.json"] = "EUTF8",
  ["i_string_lone_second_surrogate.json"] = "EUTF8",
  -- RFC 8259 8.1: what systems exchange is UTF-8, and these bytes are not.
  ["i_string_UTF-8_invalid_sequence.json"] = "EUTF8",
  ["i_string_UTF8_surrogate_U+D800.json"] = "EUTF8",
  ["i_string_invalid_utf-8.json"] = "EUTF8",
  ["i_string_iso_latin_1.json"] = "EUTF8",
  ["i_string_lone_utf8_continuation_byte.json"] = "EUTF8",
  ["i_string_not_in_unicode_range.json"] = "EUTF8",
  ["i_string_overlong_sequence_2_bytes.json"] = "EUTF8",
  ["i_string_overlong_sequence_6_bytes.json"] = "EUTF8",
  ["i_string_overlong_sequence_6_bytes_null.json"] = "EUTF8",
  ["i_string_truncated-utf-8.json"] = "EUTF8",
  -- UTF-16, which begins with a byte that begins no value.
  ["i_string_UTF-16LE_with_BOM.json"] = "EJSON",
  ["i_string_utf16BE_no_BOM.json"] = "EJSON",
  ["i_string_utf16LE_no_BOM.json"] = "EJSON",
  -- RFC 8259 8.1: unexpected byte order mark must not be sent.
  ["i_structure_UTF-8_BOM_empty_object.json"] = "EUTF8",
  -- Deeper than MCP_JSON_DEPTH.
  ["i_structure_500_nested_arrays.json"] = "EDEPTH",
}

-- The suite takes duplicate keys for JSON, which they are by the letter. RFC
-- 8259 4 calls what readers make of them unpredictable, so a message is refused
-- for them; the reader has the bare grammar as well.
local refused_as_message = {
  ["y_object_duplicated_key.json"] = "EDUPLICATE",
  ["y_object_duplicated_key_and_value.json"] = "EDUPLICATE",
}

local function names()
  local found = { y = {}, n = {}, i = {} }
  local pipe = io.popen("ls '" .. folder .. "' 2>/dev/null")
  for name in pipe:lines() do
    local kind = found[name:match "^([yni])_.*%.json$"]
    if kind then kind[#kind + 1] = name end
  end
  pipe:close()
  return found
end

local function read(name)
  local file = assert(io.open(folder .. name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("JSONTestSuite", function()
  local found = names()
  if #found.y == 0 then
    it("is there", function()
      pending("SKIPPED: all of JSONTestSuite, there is no " .. folder)
    end)
    return
  end

  it("is complete", function()
    assert.are.same({ 95, 188, 35 }, { #found.y, #found.n, #found.i })
  end)

  it("has what must be taken taken", function()
    local taken = 0
    for _, name in ipairs(found.y) do
      local _, code, offset, what = json.decode(read(name), { duplicates = true })
      assert.is_nil(code, ("%s: %s at %s: %s"):format(name, code, offset, what))
      taken = taken + 1
    end
    assert.are.equal(95, taken)
  end)

  it("has it taken as a message, but for duplicate keys (RFC 8259 4)", function()
    for _, name in ipairs(found.y) do
      local _, code = json.decode(read(name))
      assert.are.equal(refused_as_message[name], code, name)
    end
  end)

  it("has what must be refused refused", function()
    for _, name in ipairs(found.n) do
      local text = read(name)
      local value, code, offset, what = json.decode(text)
      assert.is_nil(value, name)
      assert.is_string(code, name)
      assert.is_true(offset >= 0 and offset <= #text, name)
      assert.is_true(#what > 0, name)
    end
  end)

  it("has a written choice for each file that is free", function()
    for _, name in ipairs(found.i) do
      local _, code = json.decode(read(name))
      assert.are.equal(choices[name], code or "taken", name)
    end
  end)

  it("cut at any byte gives a value or a clean refusal", function()
    for _, list in ipairs { found.y, found.i } do
      for _, name in ipairs(list) do
        local text = read(name)
        for cut = 0, math.min(#text, 400) do
          local short = text:sub(1, cut)
          local value, code, offset, what = json.decode(short)
          if code then
            assert.is_nil(value)
            assert.is_true(offset >= 0 and offset <= cut, name)
            assert.is_true(#what > 0)
          else
            assert.is_not_nil(json.encode(value), name)
          end
        end
      end
    end
  end)

  it("comes back the same from a round trip", function()
    for _, name in ipairs(found.y) do
      if not refused_as_message[name] then
        local text = assert(json.encode((json.decode(read(name))), true))
        assert.are.equal(text, json.encode((json.decode(text)), true), name)
      end
    end
  end)
end)
