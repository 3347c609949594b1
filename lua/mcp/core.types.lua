-- SPDX-License-Identifier: MIT
-- core.types: what the C module mcp.core holds, for language servers. Never loaded.
--
-- Times are seconds. What fails by bad luck returns nil, a message and a code such as "ETIMEDOUT";
-- what is misused raises.
---@meta mcp.core
-- luacheck: ignore

---The C side. Internal: the public API is `mcp`.
---@class mcp.core
local core = {}

---The version of luamcp.
---@type string
core.version = ""

---JSON null; the same value as lua-cjson's.
---@type lightuserdata
core.null = nil

---The metatable that marks arrays.
---@type table
core.array_mt = {}

-- JSON -------------------------------------------------------------------------

---A value that is JSON already. It is written as it is, wherever it stands in another value.
---@class mcp.core.Raw: userdata

---Writes a value as JSON.
---@param value any
---@param sorted? boolean object keys in order
---@return string? text
---@return string? message where and why it cannot be JSON
---@return string? code
function core.encode(value, sorted) end

---Reads JSON, strictly: what comes from the network goes through it.
---@param text string
---@return any value nil only on failure; null is `core.null`
---@return string? message
---@return string? code
function core.decode(text) end

---Encodes a value once, with sorted keys. Raises what cannot be JSON.
---@param value any
---@param is_json? boolean `value` is JSON text, and is checked
---@return mcp.core.Raw
function core.raw(value, is_json) end

---Tables that have this metatable go out as arrays, too.
---@param metatable table
function core.mark_array(metatable) end

-- The loop ---------------------------------------------------------------------

---Turns the loop once, waiting for at most so long; as long as it takes if not said.
---@param seconds? number
---@return boolean open false when nothing is open any more
function core.step(seconds) end

---A descriptor that becomes readable when `step` has something to do.
---@return integer
function core.fd() end

---Seconds until `step` has something to do; nil for never.
---@return number?
function core.timeout() end

---Seconds of a clock that never goes back.
---@return number
function core.now() end

---Has SIGINT and SIGTERM call `fn`; nil gives them back. Only a program of its own does this.
---@param fn? fun(number: integer)
function core.catch_signals(fn) end

-- Tasks and waiting ------------------------------------------------------------

---Runs `fn(…)` in a task of its own, at once up to its first wait. An error it does not catch goes
---to the log.
---@param fn function
---@param ... any
function core.spawn(fn, ...) end

---Waits; outside any task it turns the loop meanwhile.
---@param seconds number
---@return true? slept
---@return string? message
---@return string? code "ECANCELED"
function core.sleep(seconds) end

---Is this a task, so that waiting yields?
---@return boolean
function core.in_task() end

---How many tasks have not ended.
---@return integer
function core.task_count() end

---Something to wait for, once.
---@class mcp.core.Waiter: userdata
local waiter = {}

---@return mcp.core.Waiter
function core.waiter() end

---Waits until it is woken. One waits at a time; a waiter that was woken returns at once.
---@param seconds? number
---@return true? woken
---@return any value_or_message what it was woken with
---@return string? code "ETIMEDOUT", "ECANCELED"
function waiter:wait(seconds) end

---Runs `fn(…)` in a task of its own. A wait ends when all that were started so have ended, in
---whatever way.
---@param fn function
---@param ... any
function waiter:spawn(fn, ...) end

---Cancels the tasks that it has started and that have not ended.
function waiter:cancel() end

---Ends the wait; the first call counts.
---@param value? any
function waiter:wake(value) end

---@return boolean
function waiter:is_woken() end

-- Listening --------------------------------------------------------------------

---What gets every message: kind, id, method, params, the text of _meta, a value for each name given
---to `watch_meta`, and over HTTP four header fields (version, method, name, session), false where
---one came twice. It returns a result, or nil and an error, or, where no message is owed, a status.
---@alias mcp.core.Receive
---| fun(x: mcp.core.Exchange, link: table?, kind: string, id: string?, ...: any): any, table?

---Names the members of params._meta that are handed to every receiver.
---@param names string[]
function core.watch_meta(names) end

---Something that takes messages: a listener or a connection.
---@class mcp.core.Host: userdata
local host = {}

---Listens for HTTP.
---@param options table host, port, path, hosts, origins, guard, body_limit, connections and, in
---seconds, head_timeout, body_timeout, idle_timeout, stall_timeout, heartbeat
---@param receive mcp.core.Receive
---@return mcp.core.Host? host
---@return string? message
---@return string? code
function core.listen_http(options, receive) end

---Serves standard input and output; what the process prints goes to standard error from then on.
---@param receive mcp.core.Receive
---@return mcp.core.Host? host
---@return string? message
---@return string? code
function core.serve_stdio(receive) end

---A connection through memory, and its other end.
---@param receive mcp.core.Receive
---@return mcp.core.Host? host
---@return mcp.core.WireEnd|string wire_end_or_message
---@return string? code
function core.memory_pair(receive) end

---The way to send what belongs to no request: in a connection's own table, under `wire`.
---@class mcp.core.Wire: userdata
local wire = {}

---Sends a notification. Never waits.
---@param method string
---@param params? table
---@return true? sent
---@return string? message
---@return string? code "EBUSY": too much is unread; "ECLOSED"
function wire:send(method, params) end

---Closes it; what is under way may go on for `grace` seconds. Safe to call again.
---@param grace? number
function host:close(grace) end

---@return boolean open until it is closed, by whomever
function host:is_open() end

---@return boolean gone nothing of it is left
function host:is_gone() end

---@return integer? port of a listener
function host:port() end

---@return boolean
function host:is_loopback() end

---@return integer
function host:connections() end

---Puts the requests that come by it under limits, in seconds, 0 for none: `time` from their start or
---the last restart of their clock, `most` in all, `beat` between two signs of life while they wait.
---`expired(thread, seconds)` returns the answer, as a receiver does, in place of the handler that
---waits in `thread`; `on_beat(thread)` gives the sign of life.
---@param clock table time, most, beat, expired, on_beat
function host:clock(clock) end

---The far end of a memory pair: bytes.
---@class mcp.core.WireEnd: userdata
local wire_end = {}

---@param bytes string
---@return true? sent
---@return string? message
---@return string? code
function wire_end:send(bytes) end

---@return string bytes all that has arrived since the last call
function wire_end:take() end

---Stops reading, or goes on.
---@param paused boolean
function wire_end:pause(paused) end

---@return boolean open the other side has not closed
function wire_end:is_open() end

function wire_end:close() end

---One message and the way back for its answer. It is over once it is answered, or its way back is
---gone.
---@class mcp.core.Exchange: userdata
local exchange = {}

---Sends a notification before the answer, or, with an id, a request. Waits while the peer does not
---read, if its own task calls it.
---@param method string
---@param params? table
---@param id? integer
---@param late? boolean even when the handler has been cancelled, and without waiting
---@return true? sent
---@return string? message
---@return string? code
function exchange:send(method, params, id, late) end

---Over HTTP an event of the stream: the text of a message, or an empty one. Waits as `send` does.
---@param text? string one line; nil only with `last`
---@param id? string
---@param retry_ms? integer
---@param last? boolean the response ends with it and the exchange is over, but the task goes on
---@param late? boolean also when the task has been cancelled
---@return true? sent
---@return string? message
---@return string? code
function exchange:event(text, id, retry_ms, last, late) end

---Over HTTP the event stream begins now.
---@return true? opened
---@return string? message
---@return string? code
function exchange:open_stream() end

---Waits until somebody releases it, or it is cancelled or lost. By its own task only.
---@return true? released
---@return string? message
---@return string? code
function exchange:hold() end

---The task may return, and the exchange stays open, over HTTP as an event stream, until it is
---finished, released, cancelled or lost. By its own task only. Header fields are forgotten.
---@return true? kept
---@return string? message
---@return string? code "EBUSY": the connection keeps too many
function exchange:keep() end

---Answers an exchange that is kept.
---@param result any
---@param err? table code, message, data
---@return true? answered
---@return string? message
---@return string? code
function exchange:finish(result, err) end

---Gives up an exchange that is kept and whose peer does not read: over HTTP the connection ends.
function exchange:cut() end

---Ends `hold`, or an exchange that is kept, without an answer.
function exchange:release() end

---The id of a request, byte for byte; nil if it has none or is over.
---@return mcp.core.Raw?
function exchange:id() end

---Cancels the task that owes the answer. If it is kept, it ends.
function exchange:cancel() end

---Cancels the request of that id on the same connection, if it is under way.
---@param id any
function exchange:cancel_other(id) end

---@return boolean cancelled
---@return string? code "ETIMEDOUT" if its time was over, else "ECANCELED"
function exchange:is_cancelled() end

---The handler may take so long from now on; 0: as long as it likes.
---@param seconds number
function exchange:limit(seconds) end

---The handler's time begins anew, or goes on after `stop_clock`.
function exchange:restart_clock() end

---What the handler does now has a limit of its own, and does not count.
function exchange:stop_clock() end

---@return boolean open there is a way back
function exchange:is_open() end

---Losing the way back does not cancel the task.
function exchange:survive() end

---@return string name "stdio", "http", "memory", …
function exchange:transport() end

---@param name string
---@return string|false|nil value false: it came twice
function exchange:header(name) end

---@return table<string, string> fields by lower-case name; several of one name joined by ", "
function exchange:headers() end

---Sets a field of the HTTP answer; nothing elsewhere.
---@param name string
---@param value string
function exchange:set_header(name, value) end

-- Bytes and texts --------------------------------------------------------------

---128 bits from the system's generator, in base64url.
---@return string
function core.random_id() end

---@param bytes string
---@return string
function core.base64(bytes) end

---The one canonical spelling only.
---@param text string
---@return string? bytes
function core.unbase64(text) end

---Writes a line to standard error, if its level is shown.
---@param level "debug"|"info"|"notice"|"warning"|"error"
---@param text string
function core.log(level, text) end

---Regular expressions in the manner of ECMA-262, bounded in work.
core.regex = {}

---@class mcp.core.Regex: userdata
local regex = {}

---@param pattern string
---@param longest? integer
---@return mcp.core.Regex?
---@return string? message
function core.regex.compile(pattern, longest) end

---@param subject string
---@param steps? integer
---@return boolean? matches
---@return integer|string steps_or_message
function regex:matches(subject, steps) end

function regex:close() end

---Files below one folder, and nowhere else.
---@class mcp.core.Folder: userdata
local folder = {}

---@param path string
---@return mcp.core.Folder?
---@return string? message
---@return string? code
function core.folder(path) end

---@param path string below the folder
---@param limit? integer in bytes, 4 MiB if not given
---@return string? bytes
---@return string? message
---@return string? code
function folder:read(path, limit) end

---@param path? string below the folder; the folder itself if not given
---@return table[]? entries { name, kind, size, modified }, sorted by name; links not followed
---@return string? message
---@return string? code
function folder:list(path) end

---@param path string
---@return table? entry { kind, size, modified }, links followed
---@return string? message
---@return string? code
function folder:stat(path) end

function folder:close() end

-- The hunts' switches, dead in ordinary builds -----------------------------------

---@param nth integer
---@param onward? boolean
---@return boolean
function core.fail_allocation(nth, onward) end

---@return integer
function core.allocation_count() end

---@return integer
function core.bytes_held() end

return core
