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

---Has SIGINT (2), SIGTERM (15) and SIGHUP (1, unless it was ignored, as nohup has it) call `fn`; nil
---gives them back. Only a program of its own does this.
---@param fn? fun(number: integer)
function core.catch_signals(fn) end

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

---Would a wait wait here? Not in a cancelled or closing task, a finalizer, a coroutine of one's own
---inside a task, or a callback of the loop.
---@return boolean
function core.may_wait() end

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

---The way to send what belongs to no request: in a connection's own table, under `wire`. That table
---may hold a function, `closed`, which is called once the connection is gone, with a text and a code.
---@class mcp.core.Wire: userdata
local wire = {}

---Sends a notification or, with an id, a request. Never waits.
---@param method string
---@param params? table
---@param id? integer
---@return true? sent
---@return string? message
---@return string? code "EBUSY": too much is unread; "ECLOSED"
function wire:send(method, params, id) end

---Closes the connection; what was written still goes out. Over WebSocket the close frame says
---`status` and `why`.
---@param status? integer 1000 to 4999
---@param reason? string at most 123 bytes
function wire:close(status, reason) end

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
---@return mcp.core.Wire? wire nil of a listener, and once it is gone
function endpoint:wire() end

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
function endpoint:exit() end

---@class mcp.Page
---@field type string its media type
---@field body string
---@field fields string header fields: lines, each with its CRLF

---From now on a request without an Authorization field is refused with that challenge, if there is
---one. The pages need no authorization.
---@param challenge string|nil parameters of WWW-Authenticate: Bearer
---@param pages table<string, string|mcp.Page> texts of JSON by their paths, or other pages, which
---are not for pages of other origins
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
---@return string? code "ECLOSED": there is no such connection; "EBUSY"; else it is no message
function exchange:feed() end

---@return boolean open the response path is open
function exchange:is_open() end

---A number that a "head" or "post head" shares with the message after it, and with no other exchange
---of any server. nil: the head came with its message.
---@return integer|nil
function exchange:ticket() end

---From now on, losing the response path does not cancel the task.
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

---To an arrival "upgrade": the connection becomes a WebSocket, or the stream of HTTP+SSE, and the
---exchange is over; the handler owes nothing.
---@return table? link the connection's own table
---@return string? message
---@return string? code
function exchange:upgrade() end

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
---`target` ("/"); `headers`, a list of { name, value }; `body`; `timeout` in seconds, until the
---head is there and waiting for a free connection included (60; 0: no limit); `connect_timeout`;
---`head_limit` and `event_limit` in bytes; `only`, "public" or "loopback": addresses that may be
---connected to; `idempotent`: see below. Host, Content-Length and User-Agent are written by itself.
---
---A kept connection that turns out to be closed, before a byte of an answer came, is replaced and
---the request sent again, once: if it is `idempotent`; and if nothing is said about that, when the
---end came within a second, which is how a server's idle timeout looks. Never if it is false.
---@param options table
---@return mcp.core.HttpResponse? response
---@return string? message
---@return string? code "ETIMEDOUT", "ECONNREFUSED", "ENOTPUBLIC", "EGONE", "EHTTP", "ECANCELED", …
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

---The key of the id of a message that could not be read, if it can be found in its text.
---@param text string
---@return string|nil key
---@return boolean is_response it has a result or an error, and no method
function core.find_id(text) end

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
function core.catch_redirect(host, port, path, fn) end

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

-- Workers ----------------------------------------------------------------------

---Lua states on threads or in processes, and the calls to them; lua/mcp/worker.lua makes the public
---API of it.
---@class mcp.core.WorkerPool: userdata
local pool = {}

---@class mcp.core.WorkerCall: userdata
local call = {}

---Opens a pool; no thread is started before the first call.
---@param options table name, threads, queue, time, stuck, memory, output, setup, arguments, clean
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
