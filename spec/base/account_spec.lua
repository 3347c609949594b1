-- SPDX-License-Identifier: MIT
local codec = require "codecs.account"

local LIMIT = 1 << 20

describe("base/account", function()
  local start

  before_each(function()
    codec.set_limit(LIMIT)
    codec.freed()
    start = codec.account()
  end)

  after_each(function()
    assert.equal(start, (codec.account()), "something is still charged")
    codec.set_limit(256 << 20)
  end)

  it("has a limit, and none for 0", function()
    assert.equal(LIMIT, (select(2, codec.account())))
    codec.set_limit(0)
    local share = codec.share(nil, 0)
    assert.is_true(share:charge(1 << 40))
    assert.is_false(share:is_tight())
    share:release(1 << 40)
    share:drop()
  end)

  it("charges every level, and releases every level", function()
    local address = codec.share(nil, 1)
    local one, other = codec.share(address, 3), codec.share(address, 3)
    assert.is_true(one:charge(1000))
    assert.is_true(other:charge(500))
    assert.same({ 1000, 500, 1500, 1500 },
      { one:held(), other:held(), address:held(), codec.account() - start })
    one:release(1000)
    assert.same({ 0, 500, 500, 500 },
      { one:held(), other:held(), address:held(), codec.account() - start })
    other:release(500)
    for _, share in ipairs { one, other, address } do share:drop() end
  end)

  it("refuses at the limit of each level, to the byte and without side effects", function()
    local address = codec.share(nil, 1)
    local shares = {}
    for i = 1, 4 do
      shares[i] = codec.share(address, 3)
      assert.is_true(shares[i]:charge(LIMIT >> 3))
      local refused = select(3, codec.account())
      assert.same({ nil, "EBUDGET" }, { shares[i]:charge(1) })
      assert.equal(refused + 1, (select(3, codec.account())))
    end
    -- The address has its half; the connection would have room.
    local fifth = codec.share(address, 3)
    assert.same({ nil, "EBUDGET" }, { fifth:charge(1) })
    assert.same({ 0, LIMIT >> 1, LIMIT >> 1 },
      { fifth:held(), address:held(), codec.account() - start })
    -- The process.
    local rest = codec.share(nil, 0)
    assert.same({ nil, "EBUDGET" }, { rest:charge(LIMIT - (LIMIT >> 1) - start + 1) })
    assert.is_true(rest:charge(LIMIT - (LIMIT >> 1) - start))
    local sixth = codec.share(nil, 1)
    assert.same({ nil, "EBUDGET" }, { sixth:charge(1) })
    rest:release(LIMIT - (LIMIT >> 1) - start)
    for i = 1, 4 do
      shares[i]:release(LIMIT >> 3)
      shares[i]:drop()
    end
    for _, share in ipairs { fifth, rest, sixth, address } do share:drop() end
  end)

  it("refuses what would overflow", function()
    local share = codec.share(nil, 0)
    assert.is_true(share:charge(100))
    assert.same({ nil, "EBUDGET" }, { share:charge(-1) })
    assert.same({ nil, "EBUDGET" }, { share:charge(-100) })
    assert.equal(100, share:held())
    share:release(100)
    share:drop()
  end)

  it("is tight from three quarters on, at any level", function()
    local address = codec.share(nil, 1)
    local one, other = codec.share(address, 3), codec.share(address, 3)
    local mark = (LIMIT >> 3) - (LIMIT >> 5)
    assert.is_true(one:charge(mark - 1))
    assert.is_false(one:is_tight())
    assert.is_true(one:charge(1))
    assert.same({ true, false, false }, { one:is_tight(), other:is_tight(), address:is_tight() })
    assert.is_true(address:charge((LIMIT >> 1) - (LIMIT >> 3) - mark))
    assert.same({ true, true, true }, { one:is_tight(), other:is_tight(), address:is_tight() })
    local elsewhere = codec.share(nil, 1)
    assert.is_false(elsewhere:is_tight())
    local rest = codec.share(nil, 0)
    assert.is_true(rest:charge(LIMIT - (LIMIT >> 2) - codec.account()))
    assert.is_true(elsewhere:is_tight())
    for _, share in ipairs { rest, one, address } do
      share:release(share:held())
      share:drop()
    end
    other:drop()
    elsewhere:drop()
  end)

  describe("a group of shares", function()
    it("counts what they hold, from before and from then on, and the account does not", function()
      local group = codec.share(nil, 1)
      local one, other = codec.share(codec.share(nil, 1), 3), codec.share(codec.share(nil, 1), 3)
      assert.is_true(one:charge(1000))
      assert.is_true(one:join(group))
      assert.is_true(other:join(group))
      assert.is_true(other:join(group))
      assert.is_true(other:charge(500))
      assert.same({ 1500, 1500 }, { group:held(), codec.account() - start })
      one:release(400)
      assert.same({ 1100, 1100 }, { group:held(), codec.account() - start })
      assert.is_true(one:join(nil))
      assert.same({ 500, 600 }, { group:held(), one:held() })
      one:release(600)
      other:release(500)
      assert.equal(0, group:held())
      for _, share in ipairs { one, other, group } do share:drop() end
    end)

    it("refuses at its limit what the shares alone would be allowed", function()
      local group = codec.share(nil, 1)
      local shares = {}
      for i = 1, 5 do
        shares[i] = codec.share(nil, 3)
        assert.is_true(shares[i]:join(group))
      end
      for i = 1, 4 do assert.is_true(shares[i]:charge(LIMIT >> 3)) end
      assert.same({ nil, "EBUDGET" }, { shares[5]:charge(1) })
      assert.same({ 0, LIMIT >> 1, LIMIT >> 1 },
        { shares[5]:held(), group:held(), codec.account() - start })
      for _, share in ipairs(shares) do
        share:release(share:held())
        share:drop()
      end
      group:drop()
    end)

    it("takes no share while it is at its soft mark, and keeps those that it has", function()
      local group, before = codec.share(nil, 3), codec.share(nil, 1)
      local mark = (LIMIT >> 3) - (LIMIT >> 5)
      local one, other = codec.share(nil, 1), codec.share(nil, 1)
      assert.is_true(one:join(group))
      assert.is_true(other:join(before))
      assert.is_true(other:charge(10))
      assert.is_true(one:charge(mark))
      assert.same({ nil, "EBUDGET" }, { other:join(group) })
      -- It stays where it was.
      assert.same({ 10, mark }, { before:held(), group:held() })
      one:release(1)
      assert.is_true(other:join(group))
      assert.same({ 0, mark + 9 }, { before:held(), group:held() })
      -- A member of a full group is not refused again.
      assert.is_true(one:join(group))
      for _, share in ipairs { one, other } do
        share:release(share:held())
        share:drop()
      end
      group:drop()
      before:drop()
    end)

    it("is freed with its last share", function()
      local group, one = codec.share(nil, 1), codec.share(nil, 3)
      group:watch()
      assert.is_true(one:join(group))
      group:drop()
      local buf = codec.buf(one)
      assert.is_true(buf:append "x")
      one:drop()
      assert.equal(0, codec.freed())
      buf:deinit()
      assert.equal(1, codec.freed())
    end)
  end)

  it("keeps a share as long as anything is charged to it, or below it", function()
    local address = codec.share(nil, 1)
    local one = codec.share(address, 3)
    address:watch()
    one:watch()
    local buf = codec.buf(one)
    assert.is_true(buf:append(("x"):rep(300)))
    one:drop()
    address:drop()
    assert.equal(0, codec.freed())
    buf:deinit()
    assert.equal(2, codec.freed())
  end)
end)

describe("buffers that are charged", function()
  local start, share

  before_each(function()
    codec.set_limit(LIMIT)
    start = codec.account()
    share = codec.share(nil, 3)
  end)

  after_each(function()
    share:drop()
    assert.equal(start, (codec.account()))
    codec.set_limit(256 << 20)
  end)

  local function capacity(buf) return (select(2, buf:text())) end

  it("charge their capacity, not their length", function()
    local buf = codec.buf(share)
    for _ = 1, 1000 do
      assert.is_true(buf:append "0123456789")
      assert.equal(capacity(buf), share:held())
    end
    buf:reset(0)
    assert.equal(0, share:held())
    assert.is_true(buf:append "again")
    assert.equal(256, share:held())
    buf:deinit()
  end)

  it("refuse before allocating, and take what is left", function()
    local buf, most = codec.buf(share), LIMIT >> 3
    assert.is_true(buf:append(("x"):rep(most // 2 + 1)))
    assert.is_true(buf:append(("x"):rep(most // 2 - 1)))
    assert.equal(most, share:held())
    assert.same({ nil, "EBUDGET" }, { buf:append "x" })
    assert.same({ most, most }, { #buf:text(), capacity(buf) })
    buf:deinit()
    local odd = codec.buf(share)
    -- Doubling would pass the limit; what is needed does not.
    assert.is_true(odd:append(("x"):rep(most // 2 + 1)))
    odd:reset(0)
    assert.is_true(odd:append(("x"):rep(most // 4 * 3)))
    assert.is_true(odd:append(("x"):rep(most // 8)))
    odd:deinit()
  end)

  it("move with their charge", function()
    local buf = codec.buf(share)
    assert.is_true(buf:append(("x"):rep(1000)))
    local taken = buf:take()
    assert.equal(1024, share:held())
    assert.is_true(buf:append "more")
    assert.equal(1024 + 256, share:held())
    local other = codec.share(nil, 3)
    assert.is_true(taken:charge_to(other))
    assert.same({ 256, 1024 }, { share:held(), other:held() })
    other:drop()
    taken:deinit()
    buf:deinit()
  end)

  it("stay where they are if the other share has no room", function()
    local buf = codec.buf(share)
    assert.is_true(buf:append(("x"):rep(1000)))
    local full = codec.share(nil, 3)
    assert.is_true(full:charge((LIMIT >> 3) - 1023))
    assert.same({ nil, "EBUDGET" }, { buf:charge_to(full) })
    assert.equal(1024, share:held())
    full:release((LIMIT >> 3) - 1023)
    full:drop()
    buf:deinit()
  end)

  it("are kept in blocks that fit", function()
    for _, case in ipairs {
      -- length, at, most that may be held for the rest
      { 100, 0, 100 }, { 100, 99, 1 }, { 60000, 0, 65536 }, { 60000, 59000, 1000 },
      { 100000, 0, 131072 }, { 100000, 90000, 10000 }, { 100000, 1, 131072 },
      { 120000, 20000, 131072 }, { 90000, 20000, 70000 } } do
      local from, to = codec.buf(), codec.buf(share)
      local text = ("0123456789"):rep(case[1] // 10)
      assert.is_true(from:append(text))
      assert.is_true(to:move_rest(from, case[2]))
      assert.equal(text:sub(case[2] + 1), (to:text()))
      assert.equal(capacity(to), share:held())
      assert.is_true(share:held() <= case[3], ("%d of %d: %d held"):format(case[2], case[1],
        share:held()))
      to:deinit()
      from:deinit()
    end
  end)

  it("keep what cannot be moved", function()
    local from, to = codec.buf(), codec.buf(share)
    local most = LIMIT >> 3
    assert.is_true(from:append(("x"):rep(most + 1)))
    assert.same({ nil, "EBUDGET" }, { to:move_rest(from, 0) })
    assert.equal(0, share:held())
    assert.equal(most + 1, #from:text())
    from:deinit()
  end)
end)
