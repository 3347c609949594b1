-- SPDX-License-Identifier: MIT
-- core.types: what the C module mcp.core holds, for language servers. Never loaded.
--
-- Times are seconds. Runtime errors return nil, a message and a code such as "ETIMEDOUT";
-- programming errors raise.
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

---Writes the message that `sender:send` sends, for transports that send texts.
---@param method string
---@param params? table
---@param id? integer|string
---@return string? text
---@return string? message where and why params cannot be JSON
---@return string? code
function core.encode_message(method, params, id) end

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

---JSON around a string that is not always the same: the JSON texts before and after it; neither is
---checked, and neither has line breaks.
---@param before string
---@param after string
---@return mcp.core.Frame
function core.frame(before, after) end

---@param frame mcp.core.Frame
---@param text string
---@return mcp.core.Raw? raw nil where `text` is not valid UTF-8, or memory is short
function core.framed(frame, text) end

---What a handler returns, without a copy of it: `first`, nil, true if that is a string and what
---follows is nil or nothing; else what `other(a, first, …)` returns.
---@param other function
---@param a any
---@param first any
---@param ... any
---@return any ...
function core.only_text(other, a, first, ...) end

---The same for lua/mcp/json.lua.
---@param value any
---@param sorted? boolean
---@param spaces? integer for each level; 0 writes one line
---@param limit? integer in bytes
---@return string? text
---@return string? message
---@return string? code
function core.json_encode(value, sorted, spaces, limit) end

---@param text string
---@param depth? integer
---@param values? integer
---@return any value nil only on failure
---@return string? message
---@return string? code
---@return mcp.JsonPlace? place
function core.json_decode(text, depth, values) end

---Tables that have this metatable go out as arrays, too; a light userdata goes out as [].
---@param mark table|lightuserdata
function core.mark_array(mark) end

---Is it an array: a table with array_mt, or with something at [1]?
---@param value any
---@return boolean
function core.is_array(value) end

---Is it an object: any table that is no array?
---@param value any
---@return boolean
function core.is_object(value) end

---For mcp.schema: is a value an object that has the members that `required` names, and none but
---those of `known`, each of the type there? No float is an integer to it.
---@param known table<string, "string"|"number"|"integer"|"boolean">
---@param required string[]
---@param other fun(value: any, state: any): boolean, any what checks tables with a metatable
---@param open? boolean there may be other members
---@param last? boolean `other` has the last word on what does not fit
---@param itself? boolean with `last`: a value that fits is returned, and not true
---@return fun(value: any, state: any): any ...
function core.members_check(known, required, other, open, last, itself) end

-- The loop ---------------------------------------------------------------------

---Turns the loop once, waiting for at most so long; as long as it takes if not said.
---@param seconds? number
---@return boolean open false when nothing is open any more
function core.step(seconds) end

---Goes on with luv's loop; only for mcp.on_luv. Nothing may have used the loop.
---@return true? moved
---@return string? message
---@return string? code "EBUSY"
function core.move_to_luv() end

---A descriptor that becomes readable when `step` has something to do.
---@return integer
function core.fd() end

---Seconds until `step` has something to do; nil for never.
---@return number?
function core.timeout() end

---Seconds of a clock that never goes back.
---@return number
function core.now() end

---The time at this moment; `core.now` is that of the loop's last turn.
---@return number wall seconds since 1970
---@return number monotonic seconds of the clock of `core.now`
function core.time() end

---Has SIGINT (2), SIGTERM (15) and SIGHUP (1, unless it was ignored, as nohup has it) call `fn`; nil
---gives them back. Only a program of its own does this.
---@param fn? fun(number: integer)
function core.catch_signals(fn) end

---Has a SIGHUP that comes before `catch_signals` wait for it, unless the terminal has been closed.
function core.keep_hangup() end

---Sends a datagram to a socket of the service manager.
---@param address string a path, or the name of an abstract socket after @
---@param text string
---@return true? sent, string? message, string? code
function core.notify(address, text) end

---A variable of the environment, which is removed from there.
---@param name string
---@return string? value
function core.take_variable(name) end

---@param user string? a name or number; nil: that of this process
---@param group string? nil: the user's own
---@return integer? uid, integer|string gid, string? name nil and the one that does not exist
function core.find_user(user, group) end

---Gives up the rights of root for those of a user, in all threads.
---@param user string?
---@param group string?
---@return true? done, string? message, string? code "EPERM": not root
function core.become(user, group) end

---@param path string
---@param uid integer
---@param gid integer
---@return true? done, string? message, string? code
function core.change_owner(path, uid, gid) end

---@return integer pid of this process
function core.pid() end

---@class mcp.core.FileWatch
local FileWatch = {}

---Ends it: its function is not called again.
function FileWatch:close() end

---Watches a folder (not those below it), or looks at a file or folder every `seconds`. Watches until
---it is closed, whether the value is kept or not.
---@param path string
---@param seconds number? nil: the system tells of changes
---@param fn fun(name: string?) called after each change; the name of the file in the folder, if known
---@return mcp.core.FileWatch? watch, string? message, string? code "ENOSPC", "EMFILE": the system has
---no more watches
function core.watch_path(path, seconds, fn) end

---Opens what ends the process though a handler computes: after the signals that are caught, and
---after the hang-up of standard input if that is served. `catch_signals(nil)` ends it.
---@param rules { drain: number, leave: number, stall: number, hangup: boolean, input: boolean } in
---seconds: for calls after a first signal, for closing after that, for a loop that stands still once
---input has ended; does SIGHUP count, and is standard input served and still open?
---@return true? opened, string? message, string? code
function core.watch_over(rules) end

---Starts the thread of what `core.watch_over` has opened, which sees what has come meanwhile.
---@return true? started, string? message, string? code
function core.start_watch() end

---Logs handlers that hold the loop longer than so many seconds, with their name and line. Starts a
---watchdog without rules where none is open. The smallest limit that was set counts.
---@param seconds number
---@param request function whose frame has the context of a request
---@param position integer of the context among its locals
---@return true? watched, string? message, string? code
function core.watch_handlers(seconds, request, position) end

---How often a handler has held the loop longer than that.
---@return integer
function core.held_count() end

---How many requests were refused because too many were in progress in this process.
---@return integer
function core.busy_count() end

---Calls fn(…) within budgets: the time that it runs, not that it waits, and the bytes that it
---returns. Outside a task there is no limit of time.
---@param time number seconds, 0 for no limit
---@param output integer bytes, 0 for no limit
---@param on_error function a message handler
---@param fn function
---@param ... any
---@return boolean ok
---@return any kind_or_result "error" and what was raised; "time", the place and the line where the
---function was stopped; "output"
function core.within(time, output, on_error, fn, ...) end

---Puts functions that can be stopped in the place of coroutine.resume, wrap and close, xpcall,
---string.rep, find, match, gmatch and gsub, unless the program has functions of its own there.
function core.prepare_budgets() end

-- Tasks and waiting ------------------------------------------------------------

---Runs `fn(…)` in a task of its own, at once up to its first wait. An error it does not catch goes
---to the log.
---Lets so much time pass at once: see mcp.testing. Raises inside a handler.
---@param seconds number
function core.skip(seconds) end

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

---Would a wait wait here? Not in a cancelled or closing task, a finalizer, a coroutine of one's own
---inside a task, or a callback of the loop.
---@return boolean
function core.may_wait() end

---How many tasks have not ended.
---@return integer
function core.task_count() end

---Something to wait for, once. mcp.waiter is this function.
---@class mcp.core.Waiter: userdata
local waiter = {}

---@return mcp.core.Waiter
function core.waiter() end

---Waits until it is woken, and returns what it was woken with, or true if that was nothing. One
---coroutine waits at a time; a waiter that was woken returns at once. A task that waits without a
---time for a waiter that the program has lost is cancelled.
---@param seconds? number
---@return any result or nil
---@return any ... further values, or a text and "ETIMEDOUT" or "ECANCELED"
function waiter:wait(seconds) end

---Runs `fn(…)` in a task of its own. A wait ends when all that were started so have ended, in
---whatever way.
---@param fn function
---@param ... any
function waiter:spawn(fn, ...) end

---Cancels the tasks that it has started and that have not ended.
function waiter:cancel() end

---Ends the wait; the first call counts. May be called anywhere, also in a finalizer: the coroutine
---that waits continues in the next turn of the loop.
---@param ... any what wait() returns
---@return boolean counted false: it was woken already
function waiter:wake(...) end

---@return boolean
function waiter:is_woken() end

---Makes a waiter that was woken, and that no one waits for, as new.
---@param given mcp.core.Waiter
function core.waiter_renew(given) end

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
---@class mcp.core.Endpoint: userdata
local endpoint = {}

---Listens for HTTP.
---@param options table host, port, or unix (a socket file) and its mode; tls (a server's context);
---path, hosts, origins, headers (fields that pages may send), prefix (a string, or true: as
---X-Forwarded-Prefix says), guard, body_limit, connections and, in seconds, head_timeout,
---body_timeout, idle_timeout, stall_timeout, heartbeat; websocket = true, and message_path for HTTP+SSE, with
---`duplex`, what gets the messages of such connections; any_protocol, a WebSocket without the
---subprotocol mcp too; the limits of `core.connect_websocket`
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return string? message
---@return string? code
function core.listen_http(options, receive) end

---Serves standard input and output; what the process prints goes to standard error from then on.
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return string? message
---@return string? code
function core.serve_stdio(receive) end

---A connection through memory, and its other end.
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return mcp.core.WireEnd|string wire_end_or_message
---@return string? code
function core.memory_pair(receive) end

---Two connections back to back: what one sends the other receives.
---@param one mcp.core.Receive
---@param other mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return mcp.core.Endpoint|string other_or_message
---@return string? code
function core.memory_link(one, other) end

---Starts a program, without a shell, and speaks with it over its standard input and output, a message
---a line. It gets HOME, LOGNAME, PATH, SHELL, TERM, USER, LANG, TMPDIR, LC_* and what `env` adds, or
---takes away by `false`. `stderr` is "inherit", "null", or a function that gets its lines, one after
---the other, in a task.
---@param options table command, args, env, cwd, stderr
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return string? message
---@return string? code
function core.connect_child(options, receive) end

---Connects to a TCP address or a socket file that carries a message a line. Waits. `only` is "public"
---or "loopback": other addresses are "ENOTPUBLIC" or "ENOTLOCAL".
---@param options table host and port, or unix; only; timeout in seconds, 0 for none
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return string? message
---@return string? code
function core.connect_socket(options, receive) end

---A connection as bytes, for protocols that are read in Lua.
---@class mcp.core.Stream: userdata
local stream = {}

---Connects to a TCP address or a socket file. Waits. With `tls`, a client's context, the handshake
---follows with the first bytes: `receive` says if it fails.
---@param options table host and port, or unix; tls, server_name (the host if not given); timeout in
---seconds (10), 0 for none
---@return mcp.core.Stream? stream
---@return string? message
---@return string? code
function core.connect_stream(options) end

---Sends bytes. Does not wait.
---@param bytes string
---@return true? sent
---@return string? message
---@return string? code "EBUSY": 16 MiB have not been read by the other side
function stream:send(bytes) end

---What has come. Waits for it; one task at a time.
---@return string? bytes nil alone at the end
---@return string? message
---@return string? code
function stream:receive() end

---Closes it at once. What was not sent yet is lost; a task that receives gets "ECLOSED".
function stream:close() end

---Is a literal address one of the public internet? The same table as for `only = "public"`.
---@param host string IPv6 without brackets
---@return boolean public false for a name
function core.is_public_address(host) end

---Opens a WebSocket, and waits until it is open. Options: `host` and `port` (80, or 443), or `unix`,
---a path; `target` ("/"); `tls`, a context, with `server_name` if not the host; `headers`, a list of
---{ name, value }; `timeout` in seconds for all of it (10; 0: no limit); `only`, "public" or
---"loopback": addresses that may be connected to; `any_protocol`, a server too that does not choose
---the subprotocol mcp. Limits: `message_limit` in bytes, `fragments`, `control_rate`,
---`control_burst`, and in seconds, 0 for none, `ping`, `silence`, `stall_timeout`, `close_timeout`.
---@param options table
---@param receive mcp.core.Receive
---@return mcp.core.Endpoint? endpoint
---@return string? message of a refusal with its status and the beginning of its body
---@return string? code of a refusal "EHTTP" and its status, "EHTTP401"; "ETIMEDOUT", "EHTTP", …
---@return table<string, string>? fields of a refusal, by lower-case name
function core.connect_websocket(options, receive) end

---Sends messages that belong to no request: in a connection's own table, under `sender`. That table
---may have a function `closed`, which is called with a text and a code once the connection is gone.
---@class mcp.core.Sender: userdata
local sender = {}

---Sends a notification or, with an id, a request. Never waits.
---@param method string
---@param params? table
---@param id? integer
---@return true? sent
---@return string? message
---@return string? code "EBUSY": too much is unread; "EENCODE": params cannot be JSON; "ECLOSED"
function sender:send(method, params, id) end

---HTTP+SSE: hands over a message of the client that has come another way.
---@param text string
---@param seconds? number how long the stream may last from now on
---@return true? fed
---@return string? message
---@return string? code "EBUSY": too much is unread; "ECLOSED", also for other transports; else it is
---no message
function sender:feed(text, seconds) end

---Closes the connection; what was written still goes out. Over WebSocket the close frame says
---`status` and `reason`.
---@param status? integer 1000 to 4999
---@param reason? string at most 123 bytes
function sender:close(status, reason) end

---Closes it; requests in progress may go on for `grace` seconds. Safe to call again. A child's input
---ends; after `grace` (2 s) it gets TERM, and after another KILL, with its whole group; 0 is KILL at
---once.
---@param grace? number
function endpoint:close(grace) end

---@return boolean open until it is closed, by whomever
function endpoint:is_open() end

---@return boolean gone nothing of it is left
function endpoint:is_gone() end

---The way to send on a connection what answers nothing, before anything came by it.
---@return mcp.core.Sender? sender nil of a listener, and once it is gone
function endpoint:sender() end

---Has `fn(text, code)` called once the connection is gone, whichever side closed it. It must not wait.
---@param fn fun(text: string, code: string)
function endpoint:on_closed(fn) end

---Marks this side as a client: lines that cannot be read are not answered, and a line over the
---limit ends the connection.
---@param message_limit? integer bytes
function endpoint:as_client(message_limit) end

---@return integer? port of a listener
function endpoint:port() end

---@return integer? pid of a child
function endpoint:pid() end

---How a child has ended; nothing before.
---@return integer? status
---@return integer? signal
---@return boolean? unread it ended without having read all its input
function endpoint:exit() end

---The first lines on a client's connection that are not messages.
---@return string? lines separated by LF, cut
function endpoint:noise() end

---@class mcp.Page
---@field type string its media type
---@field body string
---@field fields string|nil header fields: lines, each with its CRLF; nil: any origin may read it

---A path whose requests arrive as kind "route".
---@class mcp.RoutePage
---@field route true
---@field any_host boolean whatever Host says

---From now on a request without an Authorization field is refused with that challenge, if there is
---one. The pages need no authorization.
---@param challenge string|nil parameters of WWW-Authenticate: Bearer
---@param pages table<string, string|mcp.Page|mcp.RoutePage> texts of JSON by their paths, or other
---pages, or routes
function endpoint:protect(challenge, pages) end

---@return boolean
function endpoint:is_loopback() end

---@return integer
function endpoint:connections() end

---Limits how long its requests may take, in seconds, 0 for no limit: `time` from their start or the
---last restart of their clock, `max` in all, `interval` between two heartbeats while they wait.
---`expired(thread, seconds)` returns the answer, as a receiver does, in place of the handler that
---waits in `thread`; `on_heartbeat(thread)` sends a heartbeat.
---@param clock table time, max, interval, expired, on_heartbeat
function endpoint:clock(clock) end

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

---One message and its response path. It is over once it is answered, or its response path is
---closed.
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

---HTTP: should it come to only listen (`keep`), its stream ends after so many seconds; so does a
---connection that it becomes (`upgrade`), once no request is in progress there.
---@param seconds number
function exchange:expire(seconds) end

---Does its client take more than the answer? False for one whose Accept rules event streams out:
---notifications are dropped then, and requests fail with "ENOSTREAM".
---@return boolean
function exchange:can_stream() end

---Waits until `release` is called, or it is cancelled or lost. By its own task only.
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

---Cancels the request with that id on the same connection, if it is in progress.
---@param id any
function exchange:cancel_other(id) end

---Ends every other request of the same connection without an answer, and what is kept of it.
function exchange:end_others() end

---@return boolean cancelled
---@return string? code "ETIMEDOUT" if its time was over, else "ECANCELED"
function exchange:is_cancelled() end

---The handler may take so long from now on; 0: as long as it likes.
---@param seconds number
function exchange:limit(seconds) end

---The handler's time limit starts again, or goes on after `stop_clock`.
function exchange:restart_clock() end

---What the handler does now has a limit of its own, and does not count.
function exchange:stop_clock() end

---To a message of kind "post" (HTTP+SSE): hands it to the connection it is for, whose table is the
---second argument of the receiver.
---@return true? fed
---@return string? message
---@return string? code "ECLOSED": it is a message, but there is no such connection; "EBUSY"; else it
---is no message
function exchange:feed() end

---Of a message of kind "route", or "post" without a link; the body can be had once.
---@return string? method nil, text and code if its response path is gone
---@return string path
---@return string query
---@return string body
function exchange:request() end

---Answers a message of kind "route", with the fields that were set. Nothing more is owed.
---@param status integer 200 to 599
---@param body string
---@return true? sent
---@return string? message
---@return string? code
function exchange:respond(status, body) end

---@return boolean open the response path is open
function exchange:is_open() end

---A number that a "head" or "post head" shares with the message after it, and with no other exchange
---of any server. nil: the head came with its message.
---@return integer|nil
function exchange:ticket() end

---Charges memory that the handler uses because of its message, until it ends.
---@param bytes integer
---@return true|nil charged nil: there is no room
---@return string|nil text
---@return "EBUDGET"|nil code
function exchange:charge(bytes) end

---What the connection of this exchange holds counts towards the share of a principal, from now on
---and until the next call. A principal may hold a half of the memory limit.
---@param key string identifies the principal; 512 bytes of it count
---@return true|nil charged nil: its share is at three quarters of that
---@return string|nil text
---@return "EBUDGET"|"ENOMEM"|nil code
function exchange:charge_to(key) end

---Requests of the connection that are like this one, with its method and `_meta` and over HTTP the
---same header fields, go to `fn` from now on, instead of the receiver. Without arguments: what was
---left with the connection is forgotten.
---@param fn? fun(x: mcp.core.Exchange, params: any, session: any?, arguments: table?): any, any, any, any, any
---@param method? string
---@param meta string? the text of `_meta`
---@param pass mcp.core.Pass? they go there while it is good, and `fn` gets its session
---@param name string? where params has this name, an object `arguments` and nothing else but
---`_meta`, `fn` gets no params and these arguments
function exchange:remember(fn, method, meta, pass, name) end

---What lets requests of a session by without looking for the session (exchange:remember).
---@class mcp.core.Pass: userdata
local pass = {}

---Makes one that is not good yet. A request that came by it runs without being entered among those
---in progress: `enter` does that before its first wait, and must not wait.
---@param session any
---@param enter fun(session: any, x: mcp.core.Exchange) `session` is nil if it has ended
---@return mcp.core.Pass
function core.pass(session, enter) end

---@param at number it is good until then, by core.now
function pass:open(at) end

---The session has ended.
function pass:close() end

---When did a request come by it last?
---@return number at by core.now; 0: none has
function pass:used() end

---From now on, losing the response path does not cancel the task.
function exchange:survive() end

---@return string name "stdio", "http", "memory", …
function exchange:transport() end

---@param name string of a field, or ":path": the path without its query
---@return string|false|nil value false: it came twice
function exchange:header(name) end

---@return table<string, string> fields by lower-case name; several of one name joined by ", "
function exchange:headers() end

---Sets a field of the HTTP answer; nothing elsewhere.
---@param name string
---@param value string
function exchange:set_header(name, value) end

---To an arrival "upgrade": the connection becomes a WebSocket, or the stream of HTTP+SSE, and the
---exchange is over; the handler owes nothing.
---@param id? string of the stream, in its address: begins with random characters; at most 64
---@return table? link the connection's own table
---@return string? message
---@return string? code
function exchange:upgrade(id) end

-- HTTP, as a client ------------------------------------------------------------

---Connections to servers, kept for further requests.
---@class mcp.core.HttpPool: userdata
local http_pool = {}

---The head of an answer, and its body as it comes. What is not read is not taken from the socket
---beyond 256 KiB. A body that came whole gives its connection back by itself.
---@class mcp.core.HttpResponse: userdata
---@field status integer
local http_response = {}

---@param options? table connections (to one origin at once, 32) and, in seconds, idle_timeout (30),
---connect_timeout (10), body_timeout (30: between two pieces of a body; 0: no limit)
---@return mcp.core.HttpPool
function core.http_pool(options) end

---Sends a request and waits for the head of its answer, whatever its status. Options: `host` and
---`port`, or `unix`, a path; `tls`, a context, with `server_name` if not the host; `method` ("GET");
---`target` ("/"); `headers`, a list of { name, value }, which does not change any more if its member
---`fixed` is set; `body`, or `file`, the path of one; `timeout` in seconds, until the
---head is there and waiting for a free connection included (60; 0: no limit); `connect_timeout`;
---`head_limit` and `event_limit` in bytes; `only`, "public" or "loopback": addresses that may be
---connected to; `proxy`, { host, port, authorization, tunnel }: with `tunnel` the proxy is asked for a
---connection to the server (CONNECT), otherwise it gets the request; `idempotent`: see below;
---`known`: true, if no other names are in it. Host, Content-Length and User-Agent are written by
---itself.
---
---A kept connection that turns out to be closed, before a byte of an answer came, is replaced and
---the request sent again, once: if it is `idempotent`; and if nothing is said about that, when the
---end came within a second, which is how a server's idle timeout looks. Never if it is false.
---@param options table
---@return mcp.core.HttpResponse? response
---@return integer|string? status or a message
---@return string? content_type or a code: "ETIMEDOUT", "ECONNREFUSED", "ENOTPUBLIC", "EGONE", "EHTTP", "ECANCELED", …
function http_pool:request(options) end

---Ends all requests in progress with "ECLOSED", and all connections.
function http_pool:close() end

---@return integer open connections
---@return integer idle of these
---@return integer waiting requests that wait for a connection
function http_pool:connections() end

---Several fields of one name are joined by ", ".
---@param name string in any case
---@return string? value
function http_response:header(name) end

---@return table<string, string> fields by lower-case name
function http_response:headers() end

---The whole body.
---@param limit? integer in bytes, 4 MiB if not given
---@param timeout? number for all of it, in seconds; no limit if not given
---@return string? body
---@return string? message
---@return string? code "ETOOBIG": the connection is closed then; "ETIMEDOUT": it can be called again
function http_response:read(limit, timeout) end

---The next piece of the body, as it arrives. What is not read is not taken from the socket.
---@param timeout? number in seconds; no limit if not given
---@return string? chunk nil at the end of the body, and when it fails
---@return string? message
---@return string? code "ETIMEDOUT": it can be called again; "ECLOSED": it was closed
function http_response:chunk(timeout) end

---The whole body, decoded by the strict reader.
---@param limit? integer
---@param timeout? number
---@return any value
---@return string? message
---@return string? code "EJSON" and its like, or as `read`
function http_response:json(limit, timeout) end

---The next event of an event stream: { id, event, data, retry }, each nil if it has none; `event` is
---nil for "message". The data of a message is decoded, and is then no text in the event: if it is
---not JSON it stays there, and the second value is nil, the third says why.
---@param timeout? number in seconds; no limit if not given
---@return table? event nil at the end of the stream, and when it fails
---@return any message_or_text the decoded message; why it failed, nil at the end of the stream
---@return string? text_or_code why data is not JSON; "ETIMEDOUT": it can be called again
function http_response:event(timeout) end

---Lets it end with the coroutine that calls this, unless it is closed before.
function http_response:own() end

---Gives it up: what has not been read is lost, and its connection if the body has not come whole.
function http_response:close() end

-- Bytes and texts --------------------------------------------------------------

---128 bits from the system's generator, in base64url.
---@return string
function core.random_id() end

---What ids have in common exactly if they are the same id: 7 and 7.0 are, 7 and "7" are not. nil if
---`id` is neither a string nor an integer, or is longer than an id may be.
---@param id any
---@return string|nil key
function core.id_key(id) end

---The key of the id of a request, as long as that can be answered.
---@param x mcp.core.Exchange
---@return string|nil key
function core.key_of(x) end

---The key of the id of a message that could not be read, if it can be found in its text.
---@param text string
---@return string|nil key
---@return boolean is_response it has a result or an error, and no method
function core.find_id(text) end

---Bytes of the system's generator as hexadecimal digits, not all zero.
---@param count integer 1 to 16
---@return string
function core.random_hex(count) end

---A file that has a line for each HTTP request: an option of `listen_http`.
---@class mcp.core.AccessLog: userdata
local access_log = {}

---Opens the file at the same path again.
---@return true? opened
---@return string? message what was open goes on
---@return string? code
function access_log:reopen() end

---How many lines were lost.
---@return integer
function access_log:dropped() end

---Lets go of the file, which is closed with the last listener that writes to it.
function access_log:close() end

---@param path? string standard output if not given
---@param json boolean lines are objects
---@return mcp.core.AccessLog?
---@return string? message
---@return string? code
function core.access_log(path, json) end

---Adds members to the line of a request; of other transports than HTTP nothing happens.
---@param x userdata|nil the exchange; nil: that which the running coroutine answers
---@param text string `,"key":value` of JSON, else ` key=value`
function core.access_note(x, text) end

---The address of an HTTP client, "unix" for one of a socket file.
---@param x userdata the exchange
---@return string? address nil for other transports, and once the exchange is over
function core.peer_of(x) end

---The trace that the running coroutine works for (lua/mcp/trace.lua), after setting it if a value
---is given: false for none. Coroutines that it starts get the same. Outside of coroutines nil.
---@param trace? table|false
---@return table? trace
function core.trace(trace) end

---What is called with each request that comes with a traceparent, in its coroutine and before it
---is handled.
---@param fn fun(x: userdata, traceparent?: string, tracestate?: string, baggage?: string) strings
---of params._meta
function core.watch_trace(fn) end

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
---@param kind string|nil what the line is about, such as "tool"; shown as JSON only
---@param name string|nil its name
function core.log(level, text, kind, name) end

---The same for a text of several lines, such as a traceback: one object as JSON.
---@param level "debug"|"info"|"notice"|"warning"|"error"
---@param text string
---@param kind string|nil
---@param name string|nil
function core.log_lines(level, text, kind, name) end

---Writes a line at "info", whatever MCP_LOG says.
---@param text string
---@param kind string|nil
---@param name string|nil
function core.log_asked(text, kind, name) end

---The format of the log's lines, after setting it if one is given.
---@param name "text"|"json"|nil
---@return "text"|"json"
function core.log_format(name) end

---Writes a line at "info" about a refused request. Of more than 100 a second only the number is
---written.
---@param text string
function core.log_refusal(text) end

---Regular expressions in the manner of ECMA-262, bounded in work.
core.regex = {}

---@class mcp.core.Regex: userdata
local regex = {}

---@param pattern string
---@param max_length? integer
---@return mcp.core.Regex?
---@return string? message
function core.regex.compile(pattern, max_length) end

---@param subject string
---@param steps? integer
---@return boolean? matches
---@return integer|string steps_or_message
function regex:matches(subject, steps) end

function regex:close() end

---Files below one folder, and nowhere else: what lua/mcp/folder.lua makes the public object of.
---Where no wait is possible its methods block the loop instead.
---@class mcp.core.Folder: userdata
local folder = {}

---@param path string
---@param create? boolean makes the folder if it is missing
---@param walk? boolean as on a system without openat2: for the specs
---@return mcp.core.Folder?
---@return string? message
---@return string? code
function core.folder(path, create, walk) end

---The absolute path that a path leads to, without links.
---@param path string
---@return string? path
---@return string? message
---@return string? code "ENOENT" for a link to nothing
function core.real_path(path) end

---@param path string below the folder
---@param limit? integer in bytes, 4 MiB if not given
---@param from? integer how many bytes of the file to leave out
---@param length? integer how many to read at most; all if negative
---@return string? bytes
---@return string? message
---@return string? code
function folder:read(path, limit, from, length) end

---Opens a file.
---@param path string
---@return mcp.File? file
---@return string? message
---@return string? code
function folder:open(path) end

---A file that is open: a resource may return it, or put it where contents have `text` or `blob`.
---@class mcp.File: userdata
local file = {}

---@return integer bytes as of its opening
function file:size() end

---@return number seconds since 1970, as of its opening
function file:modified() end

---All of it, up to 4 MiB.
---@return string? bytes
---@return string? message
---@return string? code
function file:bytes() end

---Reads all of it. Internal.
---@return boolean? is_text it is UTF-8, and goes out as text from now on
---@return integer|string|nil place of the first byte that is not, or a message
---@return string? code
function file:measure() end

---Closes it, also where it is being sent: that goes on.
function file:close() end

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

---@param path string
---@param bytes string
---@param limit? integer of the file in bytes, 4 MiB if not given
---@param sync? boolean
---@param new? boolean "EEXIST" if there is something
---@param private? boolean mode 600
---@param owner? boolean the file that is replaced keeps its owner and group, or "EPERM"
---@return true?
---@return string? message
---@return string? code
function folder:write(path, bytes, limit, sync, new, private, owner) end

---The same to the end of the file.
function folder:append(path, bytes, limit, sync, new, private) end

---@param path string
---@return true?
---@return string? message
---@return string? code
function folder:remove(path) end

---@param from string
---@param to string
---@param new? boolean
---@return true?
---@return string? message
---@return string? code
function folder:rename(from, to, new) end

---@param path string
---@param parents? boolean
---@return true?
---@return string? message
---@return string? code
function folder:make(path, parents) end

---Whether links that stay inside are followed.
---@return boolean
function folder:follows() end

function folder:close() end

---A small file that only its owner may read, whole.
---@param path string
---@return string? bytes
---@return string? message
---@return string? code "ENOENT", "EFILEMODE": others may read it, or it is theirs
function core.read_private(path) end

---Replaces it, mode 0600; there is always a whole one.
---@param path string
---@param bytes string
---@return true? written
---@return string? message
---@return string? code
function core.write_private(path, bytes) end

---A listener on loopback that waits for a browser to be sent back to it.
---@class mcp.core.Catcher: userdata
local catcher = {}

---@param host string loopback
---@param port integer 0: any free one
---@param path string
---@param fn fun(target: string) called with the path and query of each such request; may not wait
---@return mcp.core.Catcher? catcher
---@return integer|string port_or_message
---@return string? code
function core.listen_redirect(host, port, path, fn) end

---Safe to call again.
function catcher:close() end

-- The hunts' switches, dead in ordinary builds -----------------------------------

---What Lua code keeps on behalf of peers, charged to the account of the process. Closing it, or its
---collection, releases all of it.
---@class mcp.Share
local Share = {}

---Charges `bytes`, before anything of that size is kept.
---@param bytes integer
---@return true|nil
---@return string|nil text
---@return "EBUDGET"|nil code nothing was charged
function Share:charge(bytes) end

---Gives back what was charged. Raises if that is more than is charged now.
---@param bytes integer
function Share:release(bytes) end

---@return integer bytes charged now
function Share:held() end

---@return integer bytes that it may hold
function Share:limit() end

---@return boolean tight at the soft mark: its own, or the process's
function Share:is_tight() end

---A share of one owner, who may hold half of what this one may. What is charged to it counts here, too.
---@return mcp.Share
function Share:part() end

function Share:close() end

---A share for a store of one kind, which may hold a quarter of the limit.
---@return mcp.Share
function core.share() end

---About what values that came as JSON take, in bytes. Tables are walked.
---@param ... any
---@return integer bytes
function core.weight(...) end

---The account of the process.
---@return integer held bytes charged now
---@return integer limit bytes; math.maxinteger for none
---@return integer refused how many charges have been refused
function core.memory() end

---@param bytes integer the limit from now on, 0 for none
function core.limit_memory(bytes) end

---@param nth integer
---@param onward? boolean
---@return boolean
function core.fail_allocation(nth, onward) end

---@return integer
function core.allocation_count() end

---@return integer
function core.bytes_held() end

-- Sockets and channels ---------------------------------------------------------

---A socket that this process does not accept from, or one end of a connection: for a listener or a
---child. Closed when it is collected.
---@class mcp.core.Socket: userdata
local socket = {}

---Listens on a host and port, or on a socket file (`unix`, `mode`), and accepts nothing.
---@param options table host ("127.0.0.1"), port (0: any free one); or unix, mode
---@return mcp.core.Socket? socket
---@return string? message
---@return string? code
function core.open_socket(options) end

---The sockets that this process was started with, by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES
---(sd_listen_fds(3)). Its children get neither them nor the variables.
---@param any_process? boolean LISTEN_PID may be missing
---@return { name: string, socket: mcp.core.Socket }[]? sockets nil alone: there are none
---@return string? message
---@return string? code
function core.inherited(any_process) end

---How many connections each of several processes has that accept from the same sockets. Without
---arguments: a new one, and what children inherit; or that of the parent, with the place of this
---process in it, 0 to 1023.
---@param inherited? mcp.core.Socket
---@param place? integer
---@return mcp.core.Tally? tally
---@return mcp.core.Socket|string? socket or a message
---@return string? code
function core.tally(inherited, place) end

---@class mcp.core.Tally: userdata
local tally = {}

---The process of a place has ended.
---@param place integer
function tally:clear(place) end

---@return integer? port nil of a socket file
function socket:port() end

---@return string? address of the interface; the path of a socket file, with "@" first if abstract
function socket:address() end

---@return boolean local a socket file, or one end of a pair
function socket:is_local() end

---@return boolean
function socket:is_loopback() end

---@return boolean listening false: it is a connection
function socket:is_listening() end

---Removes its file, if that is still its own.
function socket:remove_file() end

function socket:close() end

---Frames of bytes to and from another process.
---@class mcp.core.Channel: userdata
local channel = {}

---Takes a connection.
---@param connection mcp.core.Socket
---@return mcp.core.Channel? channel
---@return string? message
---@return string? code
function core.channel(connection) end

---Two ends in this process.
---@return mcp.core.Channel? channel
---@return mcp.core.Channel|string other or a message
---@return string? code
function core.channel_pair() end

---Sends the strings as one frame. Does not wait.
---@param ... string 17 MiB together at most
---@return true? sent
---@return string? message
---@return string? code "EBUSY": 16 MiB wait because the other side does not read; "ETOOBIG"
function channel:send(...) end

---Waits for the next frame. One task does so at a time.
---@return string? frame nil alone: the other side has closed it
---@return string? message
---@return string? code "ECLOSED": this side has
function channel:receive() end

---@return boolean
function channel:is_open() end

---Closes it once what was sent is written.
function channel:close() end

-- Processes --------------------------------------------------------------------

---A command that runs. It ends, with all processes of its group, when it is closed or collected, and
---when the task that has started it ends. Each of reading, reading errors, writing and waiting is
---for one task at a time. On a closed process all of them return nil, a text and "ECLOSED".
---@class mcp.Process: userdata
---@field pid integer
local process = {}

---Starts a command; lua/mcp/process.lua makes the public API of it. `our_output`: its standard
---output is ours. `sockets`: it has these at descriptors 3, 4 and so on; they stay ours too.
---`channel`: after them it has one end of a connection, and the other end is returned.
---@param options table command, args, env, cwd, clean_env, stderr, no_output, our_output, sockets,
---channel
---@return mcp.Process? process
---@return mcp.core.Channel|string? channel if it was asked for; or a message
---@return string? code
function core.process(options) end

---The table of methods of mcp.Process.
---@return table
function core.process_methods() end

---Waits for output and returns it: what has arrived, or `n` bytes, fewer only at the end.
---@param n? integer
---@return string? bytes nil after the end, or with a message and a code
---@return string? message
---@return string? code "ECANCELED", "ECLOSED", "EBUDGET", "ENOMEM"
function process:read(n) end

---The same of its standard error, if that is captured.
---@param n? integer
---@return string? bytes
---@return string? message
---@return string? code
function process:read_error(n) end

---Waits for the next line of its output, which is returned without its end.
---@param longest? integer bytes; a longer line comes in pieces, 1 MiB if not given
---@return string? line nil after the end, or with a message and a code
---@return string? message
---@return string? code
function process:line(longest) end

---The lines of its output, for a loop.
---@param longest? integer as for `line`
---@return fun(): string?
function process:lines(longest) end

---Writes to its standard input; waits while the process does not read.
---@param text string
---@return true? written
---@return string? message
---@return string? code "EPIPE": it does not read any more; "ECANCELED", "ECLOSED"
function process:write(text) end

---Ends its input, after what was written.
function process:close_stdin() end

---Waits for its end. Its output is not needed for that, but a process whose output is not read may
---never end.
---@param seconds? number
---@return { code: integer?, signal: string? }? result
---@return string? message
---@return string? code "ETIMEDOUT"; "EGONE": unknown, its guard was killed; "ECANCELED", "ECLOSED"
function process:wait(seconds) end

---Internal: the same after the end of its output, which is kept.
---@param limit integer bytes
---@param seconds? number
---@return { code: integer?, signal: string? }? result
---@return string? message
---@return string? code "ETOOBIG" and those of `wait`
function process:collect(limit, seconds) end

---Internal: what is held of both outputs.
---@return string stdout
---@return string stderr
function process:take() end

---Sends a signal to its group.
---@param signal? string|integer "SIGTERM" if not given; "KILL" and 9 are accepted too
---@return true? sent
---@return string? message
---@return string? code "ESRCH": it has ended
function process:kill(signal) end

---Ends its group: TERM, after a second KILL. Does not wait for that.
function process:close() end

-- Workers ----------------------------------------------------------------------

---Lua states on threads or in processes, and the calls to them; lua/mcp/worker.lua makes the public
---API of it.
---@class mcp.core.WorkerPool: userdata
local pool = {}

---@class mcp.core.WorkerCall: userdata
local call = {}

---Opens a pool; no thread is started before the first call.
---@param options table name, threads, queue, time, stuck, memory, output, setup, arguments, clean,
---fresh
---@return mcp.core.WorkerPool
function core.worker_pool(options) end

---Serves as a worker's process until standard input ends.
---@return integer status
function core.worker_child() end

---Begins a call: a function's name, or nil for the handler, and the arguments.
---@param name string|nil
---@param ... any
---@return mcp.core.WorkerCall? call
---@return string? message
---@return string? code "EENCODE", "EDEPTH", "ETOOBIG": of an argument; "EBUSY", "ECLOSED", "ENOMEM"
function pool:start(name, ...) end

---Sends a reply to a note of kind "ask". Where there are processes only.
---@param limit integer bytes
---@param ... any
---@return boolean? sent
---@return string? message
---@return string? code "EENCODE", "EDEPTH", "ETOOBIG": of a value; "ECLOSED": the call has ended
function call:reply(limit, ...) end

---Ends it, and all calls.
function pool:close() end

---@return table counts slots, busy, waiting, lost
function pool:counts() end

---Waits for the next note or the end.
---@return string kind "note", "result", "error", "failure", "load", "unknown", "stopped", "memory",
---"large", or "failed" with a message and a code
---@return any ...
function call:wait() end

---Stops it, if it has not ended.
function call:close() end

return core
