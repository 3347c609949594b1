-- SPDX-License-Identifier: MIT
-- Every row of docs/limits.md has a spec that reaches the limit, or is in UNREACHED with the
-- reason. A limit that no spec reaches could disappear unnoticed.
--
-- A row is named by its constant. Its entry is the spec file under spec/ and part of the title of a
-- test there. A new row needs an entry; an entry without its row or its test is an error, too.

-- One entry for each row of the constant.
local REACHED = {
  -- Memory of the process
  MCP_ACCOUNT_LIMIT = "base/account: refuses at the limit of each level",
  ["limits.lua LEAST"] = "mcp/limits: raises on what is none, at the caller's line",
  ["server/session.lua COST"] = "mcp/memory: are charged with what clients say of themselves",
  ["server/task_store.lua COST"] = "mcp/memory: are refused when nothing can make room",
  ["client/transport/incoming.lua REFUSING"] = "mcp/memory: refusals under way are bounded",
  ["server/inspect/admission.lua KEYS"] = "mcp/server/inspect/admission: remembers so many keys",
  ["server/listen/page.lua CONNECTIONS"] =
    "mcp/server/listen/page: serves so many connections and no more",
  -- Introspection and proofs
  ["auth/server/introspection.lua TIME"] = "mcp/auth/introspection: fails closed where",
  ["auth/server/introspection.lua LENGTH"] = "mcp/auth/introspection: fails closed where",
  ["auth/server/introspection.lua TTL"] = "mcp/auth/introspection: keeps answers for a while",
  ["auth/server/introspection.lua REFUSED_TTL"] =
    "mcp/auth/introspection: keeps answers for a while",
  ["auth/server/introspection.lua CACHE"] = "mcp/auth/introspection: keeps no more bytes than",
  ["auth/server/introspection.lua OVERHEAD"] = "mcp/auth/introspection: keeps no more bytes than",
  ["auth/server/introspection.lua ASKING"] = "mcp/auth/introspection: asks once for those that",
  ["auth/server/proof.lua LENGTH"] = "mcp/auth/proof: is not taken with a proof that is wrong",
  ["auth/server/proof.lua AGE"] = "mcp/auth/proof: is not taken with a proof that is wrong",
  ["auth/server/proof.lua JTI"] = "mcp/auth/proof: is not taken with a proof that is wrong",
  ["auth/server/proof.lua NONCE_TIME"] = "mcp/auth/proof: needs the nonce that it is given",
  ["auth/server/proof.lua PROOFS"] = "mcp/auth/proof: is refused where proofs cannot be remembered",
  ["signature.lua NAME"] = "mcp/cli/foreign: names a type whose schema has no end",
  ["signature.lua SCHEMAS"] = "mcp/cli/foreign: names a type whose schema has no end",
  ["mount/server.lua DEADLINE"] = "mcp/mount/server: that starts slowly delays a list by its",
  ["mount/server.lua START"] = "mcp/mount/server: that starts slowly delays a list by its",
  ["mount/server.lua TTL"] = "mcp/mount/server: whose list can change unsaid is read again in time",
  ["mount/server.lua TTL_MIN"] =
    "mcp/mount/server: whose list can change unsaid is read again in time",
  ["mount/link.lua TOGETHER"] = "mcp/mount/rounds: of a call that nobody goes on with ends in time",
  ["mount/upstream.lua STARTING"] = "mcp/mount/server: starts beside others, a few at a time",
  ["mount/upstream.lua PAUSE"] = "mcp/mount/server: that dies again and again is tried less and",
  ["mount/upstream.lua LASTING"] = "mcp/mount/server: that dies again and again is tried less and",
  ["mount/server.lua SEEN"] = "mcp/mount/server: gets of each request what is the request's own",
  ["mount/server.lua SEEN_LENGTH"] =
    "mcp/mount/server: gets of each request what is the request's own",
  ["mount/server.lua TASK"] = "mcp/mount/server: that wants a tool to be a task gets one",
  ["mount/upstream.lua PAUSE_MAX"] =
    "mcp/mount/server: that dies again and again is tried less and",
  ["mount/rounds.lua MAX"] = "mcp/mount/rounds: of a call that nobody goes on with ends in time",
  ["mount/rounds.lua TIME"] = "mcp/mount/rounds: of a call that nobody goes on with ends in time",
  ["mount/extension.lua PAGES"] = "mcp/mount/extension: bounds what is read and remembered",
  ["mount/extension.lua LOOK"] = "mcp/mount/extension: pass: settings, methods, results, errors",
  ["mount/extension.lua KNOWN"] = "mcp/mount/extension: bounds what is read and remembered",
  ["client/watched.lua SWEPT"] = "mcp/mount/single: makes room for resources that are watched",
  ["client/watched.lua KEPT"] = "mcp/mount/single: makes room for resources that are watched",
  MCP_ACCESS_LOG_QUEUE = "transport/access_log: keeps what a pipe does not take, and counts",
  MCP_ACCESS_LOG_PATH = "transport/access_log: cuts a path and names of any length",
  MCP_ACCESS_LOG_NOTE = "transport/access_log: leaves out what is too long",
  ["server/listen/access.lua TEXT"] = "transport/access_log: cuts a path and names of any length",
  ["trace.lua PARENT"] = "mcp/trace: of a later version is read as far as it is known",
  ["trace.lua STATE"] = "mcp/trace: that is not valid is ignored",
  ["trace.lua STATE_MEMBERS"] = "mcp/trace: that is not valid is ignored",
  ["trace.lua BAGGAGE"] = "mcp/trace: that is not valid is ignored",
  ["trace.lua BAGGAGE_MEMBERS"] = "mcp/trace: that is not valid is ignored",
  ["otlp/exporter.lua QUEUE"] = "mcp/otlp/exporter: drops the oldest when more bytes wait",
  ["otlp/exporter.lua BATCH"] = "mcp/otlp/exporter: sends a request for each batch of bytes",
  ["otlp/exporter.lua SPAN"] = "mcp/otlp/exporter: drops a span that is too long",
  ["otlp/exporter.lua PAUSE"] = "mcp/otlp/exporter: sends the same again after a status",
  ["otlp/exporter.lua PAUSE_MAX"] = "mcp/otlp/exporter: waits no longer than the longest pause",
  ["otlp/exporter.lua QUIET"] = "mcp/otlp/exporter: drops what is refused, with one line",
  ["otlp/recorder.lua TEXT"] = "mcp/server/listen/tracing: cuts what clients make up",
  ["otlp/recorder.lua CONTENT"] = "mcp/server/listen/tracing: cuts what clients make up",
  ["otlp/meter.lua SERIES"] = "mcp/otlp/meter: are as many as one histogram may have, and one more",
  ["otlp/settings.lua INTERVAL"] =
    "mcp/otlp/settings: take the address and the interval of metrics",
  ["otlp/settings.lua DELAY"] = "mcp/otlp/settings: have defaults",
  ["otlp/settings.lua TIMEOUT"] = "mcp/otlp/settings: have defaults",
  ["server/listen/tracing.lua FLUSH"] = "mcp/server/listen/tracing: ends in time where no",
  ["client/pinned.lua REMEMBERED"] = "mcp/pin: remembers answers up to a number of bytes",
  ["pin.lua MEMBERS"] = "mcp/pin: takes an entry with very many members",
  ["pin.lua SIZE"] = "mcp/pin: has a largest size",
  ["client/config.lua SIZE"] = "mcp/client/config: a file that is too large",
  ["cli/host/file.lua SIZE"] = "mcp/cli/install: changes no file that is larger than 16 MiB",
  ["cli/host/file.lua COPIES"] = "mcp/cli/install: keeps copies of the file, ten at most",
  ["cli/host/zip.lua SIZE"] = "mcp/cli/host/mcpb: refuses a script that is too large",
  ["cli/bench.lua HOPELESS"] = "mcp/cli/verbs: bench measures calls, and fails if any fails",
  ["client/tools.lua RELISTED"] = "mcp/client/tools: are looked for on a hundred pages",
  -- Skills
  ["message/skill.lua FILES"] = "mcp/message/skill: keeps to the limits of the extension",
  ["message/skill.lua SIZE"] = "mcp/message/skill: keeps to the limits of the extension",
  ["message/skill.lua HEAD"] = "mcp/message/skill: refuses %q",
  ["server/feature/skill_folder.lua ENTRIES"] =
    "mcp/server/feature/skill_folder: is not read where it is too deep",
  ["server/feature/skill_folder.lua DEPTH"] =
    "mcp/server/feature/skill_folder: is not read where it is too deep",
  ["server/feature/skill.lua AGE"] =
    "mcp/server/feature/skill: shows the new state, not more often",
  -- YAML
  ["yaml.lua MAX_TEXT"] = "mcp/yaml: gives up at its limits",
  ["yaml.lua MAX_NODES"] = "mcp/yaml: gives up at its limits",
  ["yaml.lua MAX_DEPTH"] = "mcp/yaml: gives up at its limits",
  -- Charts
  ["chart/data.lua POINTS"] = "mcp/chart/init: is bounded: points, bars",
  ["chart/data.lua SCATTER"] = "mcp/chart/init: is bounded: points, bars",
  ["chart/data.lua TEXT"] = "mcp/chart/init: is bounded: points, bars",
  ["chart/svg.lua SIZE"] = "mcp/chart/init: is bounded: points, bars",
  -- Workers
  ["budget.lua MEMORY_LEAST"] = "mcp/worker: are told where the worker is made",
  ["worker.lua THREADS_MAX"] = "mcp/worker: are told where the worker is made",
  MCP_WORKER_QUEUE_BYTES = "mcp/worker: counts bytes as well",
  MCP_WORKER_PRINT = "mcp/untrusted: prints little, no control characters, and waits for no reader",
  MCP_WORKER_LOST = "mcp/worker: of too many such ends with an error that says so",
  MCP_WORKER_LAST_WAIT = "mcp/worker: the end of the program waits for no thread",
  MCP_COPY_DEPTH = "lua/copy: too deep, with a path that has an end",
  -- Search
  ["server/catalog.lua RESULTS_MAX"] = "mcp/server/search: gives so many as are asked for, and",
  ["server/catalog.lua QUERY"] = "mcp/server/search: gives so many as are asked for, and",
  ["server/catalog.lua ANSWER"] = "mcp/server/search: keeps what it says within a size",
  ["server/catalog.lua TEXT"] = "mcp/server/search: indexes so many bytes of a tool",
  ["server/catalog.lua SLICE"] = "mcp/server/search: lets other calls have a turn while it",
  -- Code mode
  ["server/code_mode.lua TIME"] = "mcp/server/code_mode: does not count the time of tools as",
  ["server/code_mode.lua CALLS"] = "mcp/server/code_mode: keeps to its budgets of calls, code",
  ["server/code_mode.lua CODE"] = "mcp/server/code_mode: keeps to its budgets of calls, code",
  ["server/code_mode.lua OUTPUT"] = "mcp/server/code_mode: keeps to its budgets of calls, code",
  ["server/code_mode.lua PARALLEL"] = "mcp/server/code_mode: runs functions at the same time, and",
  ["server/code_mode.lua QUESTIONS"] =
    "mcp/server/sandbox: is ended at its limits, with what it was",
  ["server/code_mode.lua REFUSED"] = "mcp/server/sandbox: is ended at its limits, with what it was",
  ["server/code_mode.lua MEMORY"] = "mcp/server/sandbox: is ended at its limits, with what it was",
  ["server/code_mode.lua RESULT"] = "mcp/server/sandbox: is ended at its limits, with what it was",
  ["server/code_mode.lua MESSAGE"] =
    "mcp/server/sandbox: is ended at its limits, with what it was",
  ["server/code_mode.lua QUEUE"] = "mcp/server/code_mode: refuses more scripts than may wait",
  -- Processes
  ["process.lua LIMIT"] = "mcp/process: keeps output up to its limit, and ends what writes more",
  ["process.lua WORDS"] = "mcp/process: says what could not be started, and what to do",
  MCP_COMMAND_UNREAD = "mcp/process: makes what nobody reads wait, and then gives all of it",
  MCP_LPROCESS_LINE = "mcp/process: gives huge lines in pieces, none of which is empty",
  MCP_LPROCESS_READ_MOST = "mcp/process: reads what there is, a number of bytes",
  MCP_COMMAND_GRACE = "mcp/process: kills what ignores TERM a second later",
  -- Pages
  ["server/feature/page_file.lua SIZE"] = "mcp/server/feature/page_file: as one that is too large",
  ["server/feature/page_file.lua PAUSE"] = "mcp/server/feature/ui: is looked at once a second",
  ["ui/init.lua SIZE"] = "mcp/ui/init: is one inline script of at most 2048 bytes",
  -- HTTP: a listener
  MCP_HTTP_BODY_LENGTH = "transport/security: SEC-03: what is too large or never ends",
  MCP_LISTENER_CONNECTIONS = "net/listener: has its limit of connections",
  MCP_LISTENER_PER_ADDRESS = "net/per_address: are as many as limits.connections_per_address says",
  MCP_HTTP_HEAD_TIME = "transport/http_server: ends slow heads, slow bodies and idle connections",
  MCP_HTTP_BODY_TIME = "transport/http_server: ends slow heads, slow bodies and idle connections",
  MCP_HTTP_IDLE_TIME = "transport/http_server: ends slow heads, slow bodies and idle connections",
  MCP_HTTP_STALL_TIME = "transport/http_server: ends the connection of a client that stopped",
  MCP_HTTP_HEARTBEAT_TIME = "transport/http_reply: carries heartbeats while nothing else is sent",
  MCP_WS_FRAGMENTS = "transport/websocket: takes 1024 fragments of a message and no more",
  MCP_LINK_CONTROL_RATE = "transport/websocket: fill what was used at the default rate",
  MCP_LINK_CONTROL_BURST = "transport/websocket: may be as many at once as is said, and one more",
  MCP_LINK_PING_TIME = "transport/websocket: go out as often as is said, and who is silent is cut",
  MCP_LINK_DEAD_TIME = "transport/websocket: go out as often as is said, and who is silent is cut",
  MCP_LINK_CLOSE_TIME = "transport/websocket: closes with 1000 and does not wait for ever",
  MCP_WS_MESSAGE_LENGTH = "wire/ws: of 4 MiB are read, one byte more is not",
  MCP_LINK_STALL_TIME = "transport/websocket: do not keep one that leaves everything unread",
  MCP_WS_CLIENT_TIME = "lua/lwebsocket: says why it is not open: nobody there, no answer in time",
  MCP_HTTP_TARGET_LENGTH = "wire/http: takes a target of the limit and no longer",
  MCP_HTTP_HEAD_LENGTH = { "wire/http: takes a head of the limit and no longer",
    "transport/http_call: may send a head only so long" },
  MCP_HTTP_HEADER_COUNT = "wire/http: takes as many fields as the limit says and no more",
  MCP_HTTP_LEADING_CRLF = "wire/http: takes two leading CRLFs and no third",
  MCP_HTTP_EXTENSION_LENGTH = "wire/http: takes chunk extensions up to the limit of a message",
  MCP_HTTP_TRAILER_LENGTH = "wire/http: takes trailers up to their limit",
  MCP_HTTP_BODY_RATE = "transport/http_server: is the least rate of a body",
  MCP_HTTP_BODY_GRACE = "transport/http_server: is the least rate of a body",
  MCP_HTTP_PIPELINE_LENGTH = "transport/http_server: takes more pipelined bytes than it keeps",
  MCP_LISTENER_RESERVED_DESCRIPTORS = "net/listener: is never more than the descriptors allow",
  -- HTTP: a client
  MCP_HTTP_CLIENT_CONNECTIONS = "transport/http_call: are no more than allowed; who comes later",
  MCP_HTTP_CLIENT_IDLE_TIME = "transport/http_call: are closed when they were idle for long",
  MCP_HTTP_CLIENT_HEAD_TIME = "transport/http_call: until the head is there is limited",
  MCP_HTTP_CLIENT_BODY_TIME = "transport/http_call: between two pieces of a body is limited",
  MCP_HTTP_CLIENT_BODY_LENGTH = "transport/http_call: is limited to 4 MiB if nothing is said",
  MCP_SSE_EVENT_LENGTH = "wire/sse: stops at 4 MiB without a newline",
  MCP_HTTP_CLIENT_UNREAD = "transport/http_call: that nobody reads is not taken from the socket",
  MCP_HTTP_INTERIM_COUNT = "transport/http_call: passes over interim answers, and not over any",
  ["openapi/init.lua TIMEOUT"] = "mcp/openapi/init: is limited in size and time",
  ["openapi/init.lua LIMIT"] = "mcp/openapi/init: is limited in size and time",
  ["openapi/init.lua WARNINGS"] = "mcp/openapi/init: reports so many defects and no more",
  ["openapi/document.lua LIMIT"] = "mcp/openapi/document: that are too much are refused",
  ["openapi/document.lua VALUES"] = "mcp/openapi/document: that are too much are refused",
  ["openapi/document.lua FILES"] = "mcp/openapi/document: that are too much are refused",
  ["openapi/document.lua REFERENCES"] = "mcp/openapi/document: that are too much are refused",
  ["openapi/operations.lua MAX"] = "mcp/openapi/document: have operations up to a limit",
  ["openapi/names.lua LENGTH"] = "mcp/openapi/operations: have names that hosts accept",
  ["openapi/arguments.lua NAME"] = "mcp/openapi/init: keeps lists short for models",
  ["openapi/arguments.lua DESCRIPTION"] = "mcp/openapi/init: keeps lists short for models",
  ["openapi/entries.lua DESCRIPTION"] = "mcp/openapi/init: keeps lists short for models",
  ["openapi/outputs.lua LIMIT"] = "mcp/openapi/init: keeps lists short for models",
  ["openapi/pages.lua MAX"] = "mcp/openapi/pages: have settings that are checked",
  ["openapi/results.lua ERROR_TEXT"] = "mcp/openapi/init: says what went wrong",
  ["fetch.lua TIMEOUT"] = "mcp/fetch: is limited in size and time",
  ["fetch.lua LIMIT"] = "mcp/fetch: is limited in size and time",
  MCP_HTTP_CLIENT_DECODE = "transport/content_coding: of a large body holds up nobody",
  MCP_PIECES_SIZE = "mcp/fetch: is read no faster than it is sent",
  ["fetch.lua REDIRECTS"] = "mcp/fetch: follows so many and no more",
  ["fetch.lua SHOWN"] = "mcp/fetch: names the URL without its query, and what failed",
  ["client/pages.lua MAX"] = "mcp/client/pages: has so many pages and no more",
  ["client/call.lua PENDING"] = "mcp/client/call: is one of so many at once",
  ["client/input_required.lua MAX"] = "mcp/client/input_required: has so many rounds and no more",
  ["client/cache.lua MAX"] = "mcp/client/cache: has room for so many; the oldest goes",
  MCP_LINE_LENGTH = { "mcp/client/transport/duplex: a message over the limit ends the connection",
    "transport/link: over 4 MiB get -32700, and the connection lives" },
  ["client/call.lua TIME"] = "mcp/client/call: ends in time, and the server is told",
  ["client/call.lua MAX_TIME"] = "mcp/client/call: is put off by progress, but not for ever",
  ["client/handshake.lua PROBE"] = "mcp/client/handshake: gives a silent server its time",
  ["client/input_required.lua QUESTIONS"] =
    "mcp/client/input_required: knows results that are none (ERPC)",
  ["client/cache.lua MAX_TTL"] = "mcp/client/cache: keeps them as long as they say, a day at most",
  ["client/watch.lua ACKNOWLEDGE"] = "mcp/client/watch: that nobody acknowledges are given up",
  ["client/callbacks.lua MAX"] = "mcp/client/init: hears so much at once and no more",
  ["client/transport/http.lua MESSAGE"] = "mcp/client/transport/http: has a limit, as JSON and",
  ["client/transport/http.lua RESUMES"] = "mcp/client/transport/http: is given up after so many",
  ["client/transport/http.lua LISTENS"] = "mcp/client/transport/http: is given up after so many",
  ["client/transport/http.lua STREAM_WAIT"] = "mcp/client/transport/http: delays connecting by",
  ["client/transport/http.lua BACKOFF"] = "mcp/client/transport/http: waits longer each time",
  ["client/transport/http.lua RETRY_MAX"] = "mcp/client/transport/http: waits so long for it,",
  ["client/transport/endpoint.lua LASTING"] = "mcp/client/transport/http: calls although a stream",
  ["client/transport/http.lua SESSION_ID"] = "mcp/client/transport/http: refuses an id of a",
  ["client/transport/incoming.lua SERVING"] = "mcp/client/transport/http: answers what fails here",
  ["client/probe.lua VERDICTS"] = "mcp/client/probe: is one of so many",
  ["text.lua SHOWN"] = "mcp/client/probe: made to be long is cut",
  ["client/probe.lua FRESH"] = "mcp/client/probe: is forgotten in time",
  ["client/fields.lua COUNT"] = "mcp/client/fields: come once each, as strings, and not too many",
  ["message/param_headers.lua LENGTH"] = "mcp/message/param_headers_client: are bounded together",
  ["client/transport/endpoint.lua CHALLENGES"] = "mcp/client/transport/websocket: is refused so",
  ["auth/client/challenge.lua LENGTH"] = "mcp/auth/challenge: looks at so much and no more",
  ["auth/client/provider.lua STEP_UPS"] = "mcp/auth/client: a server that always wants another",
  ["auth/client/provider.lua SLACK"] = "mcp/auth/client: are renewed before they end",
  ["auth/client/token.lua ASSERTION_TIME"] = "mcp/auth/client: client credentials, by a key: the",
  ["auth/client/loopback.lua TIME"] = "mcp/auth/loopback: ends when nobody comes",
  -- Connecting, and children
  MCP_LCONNECT_TIME = "net/connect: is given up after its time",
  MCP_CONNECT_HEAD_START = "net/connect: is not held up by one that is silent",
  MCP_CONNECT_ADDRESSES = "net/connect: is tried at sixteen addresses, no more",
  MCP_PROCESS_GRACE = "net/process: sends TERM when the grace is over, and KILL after another",
  MCP_PROCESS_ORPHAN_GRACE = "net/guard: the guard ends the child, in steps of its own grace",
  MCP_PROCESS_DRAIN_TIME = "net/process: and leaves a grandchild with the pipes: closed",
  MCP_PROCESS_DRAIN_MAX = "net/process: and leaves the pipes to a process that goes on writing",
  MCP_LCHILD_LINE = "net/process: is read in pieces where a line has no end",
  MCP_LCHILD_BACKLOG = "net/process: is read in pieces where a line has no end",
  -- Messages
  MCP_LINK_LONG_LINES = "transport/link: over the limit close the connection at the eighth",
  MCP_JSON_DEPTH = "wire/json: hold the depth at MCP_JSON_DEPTH",
  MCP_JSON_KEY_LENGTH = "wire/json: hold a key at MCP_JSON_KEY_LENGTH bytes of text",
  MCP_RPC_ID_LENGTH = "wire/rpc: has 128 bytes of text at most, its quotes among them",
  ["server/front/arrival.lua KEPT"] =
    "mcp/server/front/repeat: is remembered up to a number of bytes",
  MCP_HTTP_HEAD_KEPT = "mcp/server/front/repeat: is remembered with a head up to 4 KiB",
  ["server/front/legacy.lua BATCH"] =
    "mcp/server/front/legacy: empty or of more than 32 are refused",
  MCP_EXCHANGE_PER_LINK = "transport/link: may have 64 requests under way; the next is told so",
  MCP_EXCHANGE_PER_PROCESS = "transport/under_way: are 1024 over HTTP; the next POST gets 503",
  MCP_EXCHANGE_KEPT_PER_LINK = "mcp/server/feature/subscription: are 64 of a connection; what is",
  MCP_STREAM_HIGH_WATER = "transport/http_reply: suspends the handler; others are served",
  MCP_EXCHANGE_QUEUE = { "mcp/client/transport/duplex: goes on when the server reads again",
    "transport/http_sse: whoever does not read gets no more in" },
  MCP_STREAM_HARD_LIMIT = "net/stream: refuses to queue more than 64 MiB",
  -- Sessions and authorization
  ["server/session.lua IDLE"] = "mcp/server/session: ends when it is idle for too long",
  ["server/session.lua MAX"] =
    "mcp/server/session: a flood of newcomers does not sort at each arrival",
  ["server/session.lua MAX_PER_PRINCIPAL"] =
    "mcp/server/session: makes room for its owner among the owner's own",
  ["server/session.lua INITIALIZE"] =
    "mcp/server/session: that never went on after initialize ends sooner",
  ["auth/jwt.lua LENGTH"] = "mcp/auth/jwt: looks at no token that is longer than its limit",
  ["auth/jwt.lua MEMO"] = "mcp/auth/jwt: of so many, and of those that are used longest",
  ["auth/server/init.lua ADMITTED"] = "mcp/auth/server: checks a token once for a head",
  ["auth/server/init.lua RETRY"] =
    "transport/memory_limit: is a half of the limit for one principal",
  MCP_PEERS_KEY = "transport/memory_limit: is shared by principals whose keys begin with",
  ["auth/server/init.lua LATE"] = "mcp/auth/server: refuses what verify says has expired",
  ["auth/jwks.lua TTL"] = "mcp/auth/jwks: fetches once and keeps what it got",
  ["auth/jwks.lua REFRESH"] = "mcp/auth/jwks: asks again for a key id it does not know",
  ["auth/jwks.lua RETRY"] = "mcp/auth/jwks: says that there are no keys where none can be had",
  ["auth/jwks.lua KEYS"] = "mcp/auth/jwks: leaves out kinds of keys that it does not know",
  MCP_HTTP_GUARD_TIME = "transport/http_guard: that is JSON may be read by pages of any origin",
  -- Time, subscriptions, streams, tasks
  ["server/timeout.lua TIME"] = "mcp/server/timeout: ends a tool with an error for the model",
  ["server/timeout.lua MAX"] = "mcp/server/timeout: cannot be put off for ever",
  ["server/bus.lua MAX"] = "transport/subscribe: are refused where their limit is reached",
  ["server/bus.lua MAX_URIS"] =
    "mcp/server/feature/subscription: are 64 at most, and what is taken back makes room",
  ["store/methods.lua VALUE"] = "mcp/store/memory: refuses values over 16 MiB",
  ["store/methods.lua KEY"] = "mcp/store/init: refuses wrong arguments at the caller's line",
  ["store/methods.lua TTL"] = "mcp/store/init: refuses wrong arguments at the caller's line",
  ["store/methods.lua SHORTEST"] = "mcp/store/init: refuses wrong arguments at the caller's line",
  ["store/methods.lua EVENTS"] = "mcp/store/memory: keeps 256 entries and 1 MiB of a list",
  ["store/methods.lua BYTES"] = "mcp/store/memory: keeps 256 entries and 1 MiB of a list",
  ["store/methods.lua WAITING"] = "mcp/store/memory: loses texts of a subscriber that is too slow",
  ["store/methods.lua WAITING_BYTES"] =
    "mcp/store/memory: loses texts of a subscriber that is too slow",
  ["server/shared/init.lua TIMEOUT"] =
    "mcp/shared/away: from the start, every request of a session is refused until it is there",
  ["server/shared/init.lua ASKING"] = "mcp/shared/init: has a limit of questions that wait",
  ["server/shared/posts.lua PASSING"] = "mcp/shared/posts: bounds the bytes on their way",
  ["server/shared/posts.lua PASSING_PER_PRINCIPAL"] =
    "mcp/shared/posts: has a share of the bytes on their way",
  ["server/shared/posts.lua HEARD"] = "mcp/shared/posts: learns at once that the process",
  ["server/shared/changes.lua KEPT"] =
    "mcp/shared/changes: is one of 1024 that are kept, and of 1 MiB",
  ["server/shared/changes.lua KEPT_BYTES"] =
    "mcp/shared/changes: is one of 1024 that are kept, and of 1 MiB",
  ["server/shared/tasks.lua LOOK"] =
    "mcp/shared/tasks: has failed when its process has died, also for a request that waits",
  ["server/shared/streams.lua ENDED"] =
    "mcp/shared/streams: that is over is kept for a minute after its answer was sent",
  ["server/shared/streams.lua WATCH"] =
    "mcp/shared/streams: that is forwarded ends with that error when the process dies",
  ["store/redis/address.lua PREFIX_LENGTH"] =
    "mcp/store/redis_address: is refused with a reason, without its password",
  ["store/redis/link.lua PAUSE"] = "mcp/store/redis_link: pauses longer and longer, up to 5 s",
  ["store/redis/link.lua PAUSE_MAX"] = "mcp/store/redis_link: pauses longer and longer, up to 5 s",
  ["store/redis/link.lua QUEUE"] = "mcp/store/redis_away: loses what is too much to keep",
  ["store/redis/link.lua KEEP"] = "mcp/store/redis_link: gives up what is kept for too long",
  ["store/redis/init.lua TIMEOUT"] = "mcp/store/redis_away: bounds each wait by 2 s",
  ["store/redis/init.lua BEAT"] = "mcp/store/redis_away: says every 5 s that a node is alive",
  ["store/redis/init.lua LIFE"] = "mcp/store/redis_away: says every 5 s that a node is alive",
  MCP_LSTREAM_UNREAD = "lua/lstream: stops reading at 1 MiB until that is received",
  MCP_LSTREAM_QUEUE = "lua/lstream: keeps 16 MiB for a side that does not read",
  ["store/memory.lua BYTES"] = "mcp/store/memory: holds 256 MiB unless the options say",
  ["event_store.lua EVENTS"] = "mcp/event_store: keeps 256 events of a session",
  ["event_store.lua BYTES"] = "mcp/event_store: keeps 1 MiB of a session",
  ["event_store.lua TOTAL"] = "mcp/event_store: keeps 64 MiB of all sessions",
  ["closing.lua LIMIT"] = "mcp/closing: is waited for ten seconds at the end of a program",
  ["server/resumable.lua RETRY"] = "mcp/server/resumable: closes early with a second if",
  ["server/task_store.lua TTL"] = "mcp/server/task_store: keeps a result for its ttl and no longer",
  ["server/task_store.lua MAX"] =
    "mcp/server/feature/task: are bounded, and a server that is full says so",
  ["server/task_store.lua MAX_RUNNING"] =
    "mcp/server/feature/task: are bounded, and a server that is full says so",
  ["server/feature/task.lua WAITING"] =
    "mcp/server/feature/task: let the oldest of many waiting requests go",
  ["server/ask/init.lua TIMEOUT"] = "mcp/server/ask/init: ends with its time",
  ["server/ask/live.lua MAX"] = "mcp/server/ask/init: at most 64 questions are open in a session",
  ["server/ask/live.lua INITIALIZED"] =
    "mcp/server/ask/live: a question's own time is shorter than that wait",
  ["server/ask/replay.lua ROUNDS"] = "mcp/server/ask/init: ends after ten rounds",
  ["server/seal.lua TTL"] = "mcp/server/seal: is good for 600 seconds",
  ["server/seal.lua LENGTH"] = "mcp/server/seal: is at most 16 KiB, both ways",
  MCP_LCONNECTION_STDIO_GRACE =
    "transport/link: ends the process within a second although a handler",
  -- Schemas
  ["schema/limits.lua subschemas"] =
    "mcp/schema/init: bound subschemas, depth and values of a schema",
  ["schema/limits.lua depth"] = "mcp/schema/init: bound subschemas, depth and values of a schema",
  ["schema/limits.lua values"] = "mcp/schema/init: bound subschemas, depth and values of a schema",
  ["schema/limits.lua steps"] = "mcp/schema/init: stop many items against many subschemas",
  -- Names, URIs, files, logs
  ["uri.lua TEMPLATE_LENGTH"] = "mcp/uri: has limits of length and of variables",
  ["uri.lua TEMPLATE_VARIABLES"] = "mcp/uri: has limits of length and of variables",
  ["uri.lua LENGTH"] = "mcp/uri: refuses an address over 8 KiB",
  ["server/feature/tool_name.lua LENGTH"] =
    "mcp/server/feature/metadata: 1 to 128 of A-Za-z0-9_.-",
  ["server/feature/completion.lua MAX"] =
    "mcp/server/feature/completion: at most 100 values go out",
  ["content.lua WHOLE"] = "transport/large: is the same as one that is written whole: text",
  MCP_FOLDER_FILE_SIZE = "net/folder: holds to the limit",
  MCP_LOG_REFUSALS = "transport/refusals: is counted where there are many",
  MCP_LOG_LINE = "base/log: are one write each, of at most 2 KiB",
  ["server/timeout.lua WATCHDOG"] = "lua/lwatch: is logged with its name, line and time",
  MCP_MONITOR_STILL = "lua/lwatch: for a second is logged meanwhile",
  MCP_WATCHDOG_HURRY = "net/watchdog: is ended by a second SIG",
  ["server/listen/serve.lua STALL"] =
    "net/watchdog: is ended by the end of standard input, and its grace",
  ["server/listen/options.lua WORKERS"] =
    "mcp/server/workers/supervisor: are checked before anything is started",
  ["server/workers/member.lua JOIN"] =
    "mcp/server/workers/supervisor: are ready after a while where the store cannot be reached",
  ["server/workers/supervisor.lua PING"] = "mcp/server/workers/supervisor: that hang are replaced",
  ["server/workers/supervisor.lua SILENT"] =
    "mcp/server/workers/supervisor: that hang are replaced",
  ["server/workers/supervisor.lua KILL"] = "mcp/server/workers/supervisor: that hang are replaced",
  ["server/workers/supervisor.lua BACKOFF"] =
    "mcp/server/workers/supervisor: start with growing pauses",
  ["server/workers/supervisor.lua COME"] =
    "mcp/server/workers/supervisor: notify clients of the lists that differ",
  ["server/workers/supervisor.lua STABLE"] =
    "mcp/server/workers/supervisor: that have served are replaced at once",
  ["server/workers/supervisor.lua PAUSE"] =
    "mcp/server/workers/supervisor: that end soon after their start pause",
  ["store/hub.lua TIMEOUT"] = "mcp/store/hub: does not wait longer than its limit",
  MCP_LCHANNEL_FRAME = "lua/lchannel: refuses frames that are too long",
  MCP_LCHANNEL_QUEUE = "lua/lchannel: holds at most its queue",
  MCP_LCHANNEL_SMALL = "lua/lchannel: has room for small frames where large ones are refused",
  MCP_LCHANNEL_RESERVE = "lua/lchannel: has room for small frames where large ones are refused",
  MCP_SOCKET_MOST_INHERITED = "lua/lsocket: are refused when they are something else",
  ["cli/watch.lua PAUSE"] = "mcp/cli/reload: when a file changes, with --watch",
  ["server/listen/serve.lua GRACE"] = "net/watchdog: is ended by one signal once the grace is over",
  MCP_LINK_MESSAGE_RATE = "transport/websocket: a message in trickling bytes is silence",
  -- Others
  MCP_HTTP_REFUSAL_VALUE = "transport/refusals: shows foreign text harmlessly, and not all of it",
  MCP_HTTP_PREFIX_LENGTH = "transport/addresses: stands there as X-Forwarded-Prefix says",
  ["client/transport/endpoint.lua REFUSAL_TEXT"] = "transport/refusals: is passed on by our client",
  MCP_HTTP_LINGER_TIME = "transport/http_server: ends a refused client that goes on sending",
  MCP_HTTP_CORS_TIME = "transport/http_cors: a preflight says which methods and fields",
  MCP_WS_CLIENT_BODY_LENGTH = "lua/lwebsocket: waits for no more of a refusal",
  MCP_HTTP_CLIENT_CONNECT_TIME = "lua/lhttp_pool: gives a connection only so long to be made",
  ["url.lua LENGTH"] = "mcp/url: reads socket files, with and without a target",
  ["client/watch.lua URIS"] = "mcp/client/watch: that cannot be subscribed to leave nothing behind",
  ["client/watch.lua PAUSE"] = "mcp/client/watch: are listened to again when the server has ended",
  ["client/transport/sse.lua OPEN_TIME"] = "mcp/client/transport/sse: does not wait for ever for",
  ["client/transport/sse.lua MESSAGE"] = "mcp/client/transport/sse: says what is wrong with what",
  ["client/transport/http.lua KEPT"] = "mcp/client/transport/http: has its own fields, however",
  ["client/transport/http.lua KEPT_NAME"] =
    "mcp/client/transport/http: has its own fields, however",
  ["client/transport/http.lua EVENT_ID"] = "mcp/client/transport/http: is not resumed where the",
  ["client/transport/endpoint.lua REDIRECTS"] = "mcp/client/transport/http: are not followed",
  ["client/transport/endpoint.lua CONNECTIONS"] = "mcp/client/transport/http: answers the server",
  ["client/transport/endpoint.lua ASIDE"] = "mcp/client/transport/http: answers the server",
  ["client/fields.lua LENGTH"] = "mcp/client/fields: come once each, as strings, and not too many",
  ["auth/init.lua LENGTH"] = "mcp/auth/bearer: takes nothing that could end a field",
  ["auth/client/policy.lua REDIRECTS"] = "mcp/auth/client: each hop of a redirect is judged",
  MCP_CONNECT_NAME_SIZE = "net/connect: or without any, and what is no name or port",
  MCP_JSON_NODES = "wire/json: count every value and every key",
  MCP_JSON_NUMBER_LENGTH = "wire/json: says where and why: numbers",
  MCP_TLS_CHATTER = "net/tls: a peer that requests key updates for ever and does not read",
  MCP_TLS_FILE_SIZE = "net/tls: reads no more of a file than 4 MiB",
  ["server/listen/tickets.lua PERIOD"] = "mcp/server/listen/tickets: follow the clock",
  ["server/listen/tickets.lua AGAIN"] =
    "mcp/server/listen/tickets: are asked for again where the store is away",
  MCP_TLS_TICKET_TIME = "openssl/tls_tickets: end an hour after the full handshake",
  MCP_TLS_SERVERS = "openssl/tls_sessions: are kept for 64 servers, the ones used last",
  MCP_TLS_SESSIONS = "openssl/tls_sessions: keeps four of a server that sends more",
  ["auth/jwt.lua CLOCK_SKEW"] = "mcp/auth/jwt: looks at exp, nbf and iat, with clocks a little",
  ["auth/jwks.lua STALE"] = "mcp/auth/jwks: goes on with old keys while new ones are fetched",
  MCP_JOSE_RSA_MIN = "openssl/jose: refuses weak RSA keys",
  MCP_JOSE_RSA_MAX = "openssl/jose: refuses weak RSA keys",
  ["server/bus.lua URI_LENGTH"] =
    "mcp/server/feature/subscription: need a resource, or a template that matches",
  ["server/task_store.lua MAX_TTL"] =
    "mcp/server/task_store: gives the ttl that is asked for, within bounds",
  ["server/task_store.lua POLL"] = "mcp/server/feature/task: are made by the server",
  ["server/seal.lua SECRET"] = "mcp/server/seal: refuses secrets that can be guessed",
  ["schema/limits.lua references"] = "mcp/schema/init: may lead in a circle among schemas",
  ["schema/limits.lua pattern"] =
    "mcp/schema/init: stop hostile patterns, whatever stands around them",
  ["schema/limits.lua errors"] = "mcp/schema/init: shows no more of a value than a line",
  MCP_REGEX_PATTERN_LENGTH = "wire/regex: bounds the pattern, and what it becomes",
  MCP_REGEX_STEPS = "wire/regex: gives up on quadratic scans that no match limit sees",
  MCP_REGEX_DEPTH = "wire/regex: bounds the frames of a repeated group",
}

-- Rows that no spec reaches yet, and the reason.
local UNREACHED = {
  MCP_EXCHANGE_RETRY = "a number in a response, nothing is refused",
  MCP_TLS_COST = "an amount that is counted, nothing is refused",
  MCP_CARRIER_NOTES = "64 KiB of notes at once; the order of notes is tested",
  MCP_THREAD_NOTES = "the same",
  MCP_WORKER_ARGUMENTS = "the limit of the queue is reached first",
  ["server/catalog.lua RESULTS"] = "5; a smaller one is reached",
  ["server/code_mode.lua SCRIPTS"] = "4; a smaller one is reached",
  ["worker.lua QUEUE"] = "100 calls; a smaller queue is reached",
  ["worker.lua THREADS"] = "one; more are set",
  ["worker.lua STUCK"] = "2 s; a shorter one is reached",
  ["worker.lua OUTPUT"] = "64 MiB; a smaller one is reached",
  MCP_SOCKET_BACKLOG = "the kernel's queue: only it counts",
  MCP_TLS_FLIGHT = "not a refusal; more is encrypted later, with the same bytes sent",
  MCP_REGEX_HEAP = "the depth of a match ends it before",
  MCP_HTTP_CLIENT_STALE_TIME = "sending again within it is tested, its end is not",
  MCP_FOLDER_ENTRIES = "making 65,536 files takes ten seconds",
  MCP_LINK_SKIPPED = "lines of the log only",
  MCP_LINK_NOISE = "the text of an error only; its bound is tested with it",
  ["client/transport/stdio.lua SAID"] = "the text of an error only; its bound is tested with it",
  ["client/transport/duplex.lua LAST_WORDS"] = "a wait after a failure, nothing is refused",
  ["client/handshake.lua PROBE_CHILD"] = "as PROBE, which is reached; the default is 10 s",
  ["client/input_required.lua PAUSE"] = "a pause of 0.05 s, nothing is refused",
  ["client/input_required.lua PAUSE_MAX"] = "the same",
  ["client/watch.lua PAUSE_MAX"] = "a pause of a minute",
  ["client/transport/duplex.lua RETRY"] = "a pause of 0.01 s, nothing is refused",
  ["client/transport/websocket.lua OPEN_TIME"] = "30 s; the shorter time of the upgrade is reached",
  ["client/init.lua CLOSE"] = { "10 s", "10 s" },
  ["client/connect.lua VERDICTS"] = "256 children would have to be started",
  ["client/transport/http.lua BACKOFF_MAX"] = "a pause of 30 s",
  ["client/transport/http.lua LASTING"] = "a stream of 10 s",
  ["client/transport/http.lua POST_TIME"] = "30 s",
  ["client/transport/sse.lua POST_TIME"] = "30 s",
  ["client/transport/http.lua DELETE_TIME"] = "2 s at the end of a session",
  ["client/transport/http.lua ERROR_BODY"] = "a body over 64 KiB with an error is not tested",
  ["client/transport/endpoint.lua DRAIN"] = "the connection is closed instead of kept",
  ["client/transport/endpoint.lua DRAIN_TIME"] = "the same",
  ["auth/client/policy.lua LENGTH"] = "is handed to mcp.fetch, whose limit is reached",
  ["auth/client/policy.lua TIME"] = "the same",
  ["auth/jwks.lua LENGTH"] = "the same",
  ["auth/jwks.lua TIME"] = "the same",
  ["server/ask/parked.lua MAX"] = "as server/ask/live.lua MAX, which is reached",
  MCP_WATCHDOG_SECOND = "closing that does not finish",
  MCP_SERVICE_NOTIFY_TIME = "a manager that does not read for a second",
  ["server/reload.lua LIMIT"] = "a script that waits for a minute while it loads",
  ["server/reload.lua COLLECT"] = "calls that take longer than two minutes",
  ["cli/watch.lua MOST"] = "changes that go on for longer than a second",
  ["cli/watch.lua POLL"] = "systems without inotify",
  ["server/listen/serve.lua LEAVE"] = "the same, 12 s",
  ["server/listen/serve.lua UNWATCHED"] = "nothing is refused",
  ["server/workers/supervisor.lua START"] = "a script that waits for a minute while it loads",
  ["server/workers/supervisor.lua LEAVE"] = "a worker whose own watchdog has failed",
  ["server/workers/supervisor.lua BACKOFF_MOST"] = "five failures in a row, half a minute",
  ["server/workers/figures.lua TIMEOUT"] = "a worker that computes for a second",
  ["server/workers/output.lua LINE"] = "nothing is refused",
  MCP_LCHANNEL_UNREAD = "nothing is refused",
  MCP_PROCESS_PASSED = "more sockets than app:run has options for",
  ["closing.lua CANCELED"] = "closing that does not end when it is cancelled",
  ["schema/limits.lua variants"] = "no schema of the specs has so many",
}

local function rows()
  local list = {}
  for line in io.lines "docs/limits.md" do
    local constant = line:match "^|.*|%s*`([^`|]+)`%s*|$"
    if constant and (constant:find "^MCP_" or constant:find "%.lua ") then
      list[#list + 1] = constant
    end
  end
  return list
end

local titles = {}
local function titles_of(name)
  if not titles[name] then
    local file <close> = assert(io.open(("spec/%s_spec.lua"):format(name)), "no spec " .. name)
    titles[name] = file:read "a"
  end
  return titles[name]
end

describe("a limit", function()
  it("of docs/limits.md is reached by a spec, or listed as not reached", function()
    local count, missing = {}, {}
    for _, constant in ipairs(rows()) do count[constant] = (count[constant] or 0) + 1 end
    assert.is_truthy(next(count))
    for constant, wanted in pairs(count) do
      local entry = REACHED[constant] or UNREACHED[constant]
      local have = type(entry) == "table" and #entry or entry and 1 or 0
      if have ~= wanted then
        missing[#missing + 1] = ("%s: %d rows, %d entries in spec/limits_spec.lua"):format(constant,
          wanted, have)
      end
    end
    table.sort(missing)
    assert.equal("", table.concat(missing, "\n"))
  end)

  it("listed as reached has its row and its test", function()
    local known, wrong = {}, {}
    for _, constant in ipairs(rows()) do known[constant] = true end
    for constant, entry in pairs(REACHED) do
      if not known[constant] then wrong[#wrong + 1] = constant .. ": no such row" end
      for _, place in ipairs(type(entry) == "table" and entry or { entry }) do
        local name, title = place:match "^(%S+): (.*)$"
        if not titles_of(name):find('"' .. title, 1, true) then
          wrong[#wrong + 1] = ("%s: no test %q in %s"):format(constant, title, name)
        end
      end
    end
    for constant in pairs(UNREACHED) do
      if not known[constant] then wrong[#wrong + 1] = constant .. ": no such row" end
      if REACHED[constant] then wrong[#wrong + 1] = constant .. ": it is reached" end
    end
    table.sort(wrong)
    assert.equal("", table.concat(wrong, "\n"))
  end)
end)
