-- SPDX-License-Identifier: MIT
-- The hunts' server as a program.
require "spec.torture.app"():run()
