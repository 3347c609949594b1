-- SPDX-License-Identifier: MIT
-- scale.lua: from values to places on an axis: which range an axis shows, where its marks are, and
-- how they are written. Three kinds: numbers, times (seconds since 1970), and categories, which
-- have a band each. Pure arithmetic, no drawing.
local scale = {}

---@class mcp.chart.Scale
---@field kind "number"|"time"|"category"
---@field low number
---@field high number
---@field marks { at: number, text: string }[]
---@field place fun(value: number): number from 0 to 1
---@field band number|nil the share of the axis that one category has

local DAY = 86400

-- --- the calendar -------------------------------------------------------------------------------

-- Days since 1970-01-01 of a date of the Gregorian calendar, and back. The year begins in March, so
-- that the day that comes every four years is the last one.
local function days_of(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month - 3) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era = days // 146097
  local of_era = days - era * 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local month = (5 * of_year + 2) // 153
  local day = of_year - (153 * month + 2) // 5 + 1
  month = month < 10 and month + 3 or month - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

---Seconds since 1970 of a date, or of a date and time, as ISO 8601 writes them; a time without an
---offset is taken as UTC. nil if the text is nothing of the kind.
---@param text string
---@return number|nil
function scale.time_of(text)
  local year, month, day, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
  if not year then
    year, month = text:match "^(%d%d%d%d)-(%d%d)$"
    day, rest = "01", ""
  end
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if month < 1 or month > 12 or day < 1 then return nil end
  local days = days_of(year, month, day)
  local _, _, same = date_of(days)
  if same ~= day then return nil end -- 30 February
  if rest == "" then return days * DAY end
  local hour, minute, tail = rest:match "^[T ](%d%d):(%d%d)(.*)$"
  if not hour or tonumber(hour) > 23 or tonumber(minute) > 59 then return nil end
  local second, after = tail:match "^:(%d%d%.?%d*)(.*)$"
  if second then tail = after end
  if tonumber(second or 0) >= 61 then return nil end
  local offset = 0
  if tail ~= "" and tail ~= "Z" then
    local sign, hours, minutes = tail:match "^([+-])(%d%d):?(%d%d)$"
    if not sign then return nil end
    offset = (tonumber(hours) * 60 + tonumber(minutes)) * 60 * (sign == "-" and -1 or 1)
  end
  return days * DAY + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second or 0) - offset
end

local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
  "Dec" }

-- --- numbers ------------------------------------------------------------------------------------

local SUFFIXES = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" } }

---A number as an axis shows it: no more digits than `step` needs, thousands apart, and a letter
---for what is a million or more.
---@param value number
---@param step number the distance of two marks; what differs by less is written the same
---@param most number|nil the largest value of the axis, so that all its marks have one unit
---@return string
function scale.text(value, step, most)
  local size = math.max(most or math.abs(value), step)
  if size >= 1e15 or step < 1e-9 then return (("%.4g"):format(value)) end
  for _, suffix in ipairs(SUFFIXES) do
    if size >= suffix[1] and step >= suffix[1] / 1000 then
      local digits = step % suffix[1] == 0 and 0 or step >= suffix[1] / 10 and 1
        or step >= suffix[1] / 100 and 2 or 3
      local text = ("%." .. digits .. "f"):format(value / suffix[1])
      if digits > 0 then text = text:gsub("%.?0+$", "") end
      return value == 0 and "0" or text .. suffix[2]
    end
  end
  local digits = 0
  while digits < 9 and math.abs(step * 10 ^ digits - math.floor(step * 10 ^ digits + 0.5)) > 1e-6 do
    digits = digits + 1
  end
  local text = ("%." .. digits .. "f"):format(value)
  if tonumber(text) == 0 then text = text:gsub("^%-", "") end
  local sign, whole, rest = text:match "^(%-?)(%d+)(.*)$"
  if #whole > 3 then whole = whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "") end
  return sign .. whole .. rest
end

-- The round step of 1, 2 or 5 that divides `span` into about `count` pieces.
local function step_of(span, count)
  local raw = span / count
  local power = 10.0 ^ math.floor(math.log(raw, 10))
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= raw * (1 - 1e-9) then return factor * power end
  end
  return 10 * power
end

---@param low number
---@param high number
---@param count integer about how many marks
---@param exact boolean|nil the axis ends at the values and not at marks
---@return mcp.chart.Scale
function scale.number(low, high, count, exact)
  -- Below it a step has no digits left.
  if high - low < 1e-300 then
    local around = low == 0 and 1 or math.abs(low) / 2
    low, high = low - around, high + around
  end
  -- Where two values are as near as numbers can be there is no step between them.
  if high - low <= math.max(math.abs(low), math.abs(high)) * 1e-12 then
    local around = math.max(math.abs(low), math.abs(high)) * 1e-9
    low, high = low - around, high + around
  end
  local step = step_of(high - low, count)
  local first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  if exact then
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
  else
    low, high = first * step, last * step
  end
  local marks = {}
  for i = 0, last - first do
    local at = (first + i) * step
    marks[#marks + 1] = { at = at,
      text = scale.text(at, step, math.max(math.abs(low), math.abs(high))) }
  end
  local span = high - low
  return { kind = "number", low = low, high = high, marks = marks, step = step,
    place = function(value) return (value - low) / span end }
end

-- --- times --------------------------------------------------------------------------------------

local STEPS = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600,
  6 * 3600, 12 * 3600, DAY, 2 * DAY, 7 * DAY, 14 * DAY }

local function clock_text(at, step)
  local of_day = math.floor(at % DAY)
  if of_day == 0 and step >= 3600 then
    local _, month, day = date_of(at // DAY)
    return ("%d %s"):format(day, MONTHS[month])
  end
  if step < 60 then
    return ("%02d:%02d:%02d"):format(of_day // 3600, of_day // 60 % 60, of_day % 60)
  end
  return ("%02d:%02d"):format(of_day // 3600, of_day // 60 % 60)
end

-- Marks at the first days of months: every `months`-th one.
local function month_marks(low, high, months)
  local year, month = date_of(low // DAY)
  local index = (year * 12 + month - 1) // months * months
  local marks = {}
  while true do
    local at = days_of(index // 12, index % 12 + 1, 1) * DAY
    if at > high then return marks end
    if at >= low then
      local text = index % 12 == 0 and ("%d"):format(index // 12) or MONTHS[index % 12 + 1]
      if months >= 12 then text = ("%d"):format(index // 12) end
      marks[#marks + 1] = { at = at, text = text }
    end
    index = index + months
  end
end

---@param low number seconds since 1970
---@param high number
---@param count integer about how many marks
---@return mcp.chart.Scale
function scale.time(low, high, count)
  if low == high then low, high = low - DAY / 2, high + DAY / 2 end
  local raw = (high - low) / count
  local marks
  for _, step in ipairs(STEPS) do
    if step >= raw then
      marks = {}
      for at = math.ceil(low / step) * step, high, step do
        local text
        if step >= DAY then
          local _, month, day = date_of(at // DAY)
          text = ("%d %s"):format(day, MONTHS[month])
        else
          text = clock_text(at, step)
        end
        marks[#marks + 1] = { at = at, text = text }
      end
      break
    end
  end
  if not marks then
    local months = 12 * math.ceil(step_of((high - low) / (365.2425 * DAY), count))
    for _, few in ipairs { 1, 2, 3, 6, 12 } do
      if few * 30.44 * DAY >= raw then
        months = few
        break
      end
    end
    marks = month_marks(low, high, months)
  end
  local span = high - low
  return { kind = "time", low = low, high = high, marks = marks,
    place = function(value) return (value - low) / span end }
end

---A time as a sentence shows it: the date, with the time of the day unless that is midnight.
---@param at number
---@return string
function scale.time_text(at)
  local year, month, day = date_of(at // DAY)
  local text = ("%04d-%02d-%02d"):format(year, month, day)
  local of_day = math.floor(at % DAY)
  if of_day == 0 then return text end
  return text .. (" %02d:%02d"):format(of_day // 3600, of_day // 60 % 60)
end

-- --- categories ---------------------------------------------------------------------------------

---@param names string[]
---@param fit integer so many of the names can be written without touching
---@return mcp.chart.Scale
function scale.category(names, fit)
  local marks, every = {}, math.max(1, math.ceil(#names / math.max(1, fit)))
  for i = 1, #names, every do marks[#marks + 1] = { at = i, text = names[i] } end
  return { kind = "category", low = 1, high = #names, marks = marks, band = 1 / #names,
    place = function(index) return (index - 0.5) / #names end }
end

return scale
