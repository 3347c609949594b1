-- SPDX-License-Identifier: MIT
-- Once loaded, an error whose message begins with a line of lua/mcp itself fails the test in which
-- it is raised: its text becomes another. A message begins with the line of the user's script, or
-- with none; a level of error() that is off by one shows nowhere else, for specs look for a part of
-- the message. spec/report.lua loads it for each run of the suite.
local found, checked = pcall(require, "codecs.own_line")

-- Without the specs' own module, as in an installed rock, nothing is checked.
if found then rawset(_G, "error", checked) end
