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
  -- Workers
  ["worker.lua MEMORY_LEAST"] = "mcp/worker: are told where the worker is made",
  ["worker.lua THREADS_MOST"] = "mcp/worker: are told where the worker is made",
  MCP_WORKER_QUEUE_BYTES = "mcp/worker: counts bytes as well",
  MCP_WORKER_LOST = "mcp/worker: of too many such ends with an error that says so",
  MCP_WORKER_LAST_WAIT = "mcp/worker: the end of the program waits for no thread",
  MCP_COPY_DEPTH = "lua/copy: too deep, with a path that has an end",
  -- HTTP: a listener
  MCP_HTTP_BODY_LENGTH = "transport/security: SEC-03: what is too large or never ends",
  MCP_LISTENER_CONNECTIONS = "net/listener: has its limit of connections",
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
  ["fetch.lua TIMEOUT"] = "mcp/fetch: is limited in size and time",
  ["fetch.lua LIMIT"] = "mcp/fetch: is limited in size and time",
  ["client/pages.lua MOST"] = "mcp/client/pages: has so many pages and no more",
  ["client/call.lua PENDING"] = "mcp/client/call: is one of so many at once",
  ["client/input_required.lua MOST"] = "mcp/client/input_required: has so many rounds and no more",
  ["client/cache.lua MOST"] = "mcp/client/cache: has room for so many; the oldest goes",
  MCP_LINE_LENGTH = { "mcp/client/transport/duplex: a message over the limit ends the connection",
    "transport/link: over 4 MiB get -32700, and the connection lives" },
  ["client/call.lua TIME"] = "mcp/client/call: ends in time, and the server is told",
  ["client/call.lua MOST"] = "mcp/client/call: is put off by progress, but not for ever",
  ["client/handshake.lua PROBE"] = "mcp/client/handshake: gives a silent server its time",
  ["client/input_required.lua QUESTIONS"] =
    "mcp/client/input_required: knows results that are none (ERPC)",
  ["client/cache.lua LONGEST"] = "mcp/client/cache: keeps them as long as they say, a day at most",
  ["client/watch.lua ACKNOWLEDGE"] = "mcp/client/watch: that nobody acknowledges are given up",
  ["client/callbacks.lua MOST"] = "mcp/client/init: hears so much at once and no more",
  ["client/transport/http.lua MESSAGE"] = "mcp/client/transport/http: has a limit, as JSON and",
  ["client/transport/http.lua RESUMES"] = "mcp/client/transport/http: is given up after so many",
  ["client/transport/http.lua LISTENS"] = "mcp/client/transport/http: is given up after so many",
  ["client/transport/http.lua STREAM_WAIT"] = "mcp/client/transport/http: delays connecting by",
  ["client/transport/http.lua BACKOFF"] = "mcp/client/transport/http: waits longer each time",
  ["client/transport/http.lua RETRY_MOST"] = "mcp/client/transport/http: waits so long for it,",
  ["client/transport/endpoint.lua LASTING"] = "mcp/client/transport/http: calls although a stream",
  ["client/transport/http.lua SESSION_ID"] = "mcp/client/transport/http: refuses an id of a",
  ["client/transport/incoming.lua SERVING"] = "mcp/client/transport/http: answers what fails here",
  ["client/probe.lua VERDICTS"] = "mcp/client/probe: is one of so many",
  ["client/probe.lua SHOWN"] = "mcp/client/probe: made to be long is cut",
  ["client/handshake.lua SHOWN"] = "mcp/client/handshake: does not go round with a server",
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
  ["event_store.lua EVENTS"] = "mcp/event_store: keeps 256 events of a session",
  ["event_store.lua BYTES"] = "mcp/event_store: keeps 1 MiB of a session",
  ["event_store.lua TOTAL"] = "mcp/event_store: keeps 64 MiB of all sessions",
  ["server/resumable.lua RETRY"] = "mcp/server/resumable: closes early with an id and a time",
  ["server/task_store.lua TTL"] = "mcp/server/task_store: keeps a result for its ttl and no longer",
  ["server/task_store.lua MAX"] =
    "mcp/server/feature/task: are bounded, and a server that is full says so",
  ["server/task_store.lua MAX_RUNNING"] =
    "mcp/server/feature/task: are bounded, and a server that is full says so",
  ["server/feature/task.lua WAITING"] =
    "mcp/server/feature/task: let the oldest of many waiting requests go",
  ["server/ask/init.lua TIMEOUT"] = "mcp/server/ask/init: ends with its time",
  ["server/ask/live.lua MOST"] = "mcp/server/ask/init: at most 64 questions are open in a session",
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
  ["server/feature/metadata.lua TOOL_NAME"] =
    "mcp/server/feature/metadata: 1 to 128 of A-Za-z0-9_.-",
  ["server/feature/completion.lua MOST"] =
    "mcp/server/feature/completion: at most 100 values go out",
  MCP_FOLDER_FILE_SIZE = "net/folder: holds to the limit",
  MCP_LOG_LINE = "base/log: are one write each, of at most 2 KiB",
  MCP_WATCHDOG_HURRY = "net/watchdog: is ended by a second SIG",
  ["server/listen/serve.lua STALL"] =
    "net/watchdog: is ended by the end of standard input, and its grace",
  ["server/listen/serve.lua GRACE"] = "net/watchdog: is ended by one signal once the grace is over",
  MCP_LINK_MESSAGE_RATE = "transport/websocket: a message in trickling bytes is silence",
  -- Others
  MCP_HTTP_REFUSAL_VALUE = "transport/refusals: shows foreign text harmlessly, and not all of it",
  MCP_HTTP_PREFIX_LENGTH = "transport/addresses: stands there as X-Forwarded-Prefix says",
  ["client/transport/endpoint.lua WORDS"] = "transport/refusals: is passed on by our client",
  MCP_HTTP_LINGER_TIME = "transport/http_server: ends a refused client that goes on sending",
  MCP_HTTP_CORS_TIME = "transport/http_cors: a preflight says which methods and fields",
  MCP_WS_CLIENT_BODY_LENGTH = "lua/lwebsocket: waits for no more of a refusal",
  MCP_HTTP_CLIENT_CONNECT_TIME = "lua/lhttp_pool: gives a connection only so long to be made",
  ["url.lua LENGTH"] = "mcp/url: reads socket files, with and without a target",
  ["client/watch.lua URIS"] = "mcp/client/watch: that cannot be subscribed to leave nothing behind",
  ["client/watch.lua PAUSE"] = "mcp/client/watch: are listened to again when the server has ended",
  ["client/transport/sse.lua OPEN_TIME"] = "mcp/client/transport/sse: does not wait for ever for",
  ["client/transport/sse.lua MESSAGE"] = "mcp/client/transport/sse: says what is wrong with what",
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
  ["worker.lua QUEUE"] = "100 calls; a smaller queue is reached",
  ["worker.lua THREADS"] = "one; more are set",
  ["worker.lua STUCK"] = "2 s; a shorter one is reached",
  ["worker.lua OUTPUT"] = "64 MiB; a smaller one is reached",
  MCP_LISTENER_BACKLOG = "the kernel's queue: only it counts",
  MCP_TLS_FLIGHT = "not a refusal; more is encrypted later, with the same bytes sent",
  MCP_REGEX_HEAP = "the depth of a match ends it before",
  MCP_HTTP_CLIENT_STALE_TIME = "sending again within it is tested, its end is not",
  MCP_FOLDER_ENTRIES = "making 65,536 files takes ten seconds",
  MCP_LINK_SKIPPED = "lines of the log only",
  ["client/handshake.lua PROBE_CHILD"] = "as PROBE, which is reached; the default is 10 s",
  ["client/input_required.lua PAUSE"] = "a pause of 0.05 s, nothing is refused",
  ["client/input_required.lua PAUSE_MOST"] = "the same",
  ["client/watch.lua PAUSE_MOST"] = "a pause of a minute",
  ["client/transport/duplex.lua RETRY"] = "a pause of 0.01 s, nothing is refused",
  ["client/transport/websocket.lua OPEN_TIME"] = "30 s; the shorter time of the upgrade is reached",
  ["client/init.lua CLOSE"] = { "10 s", "10 s" },
  ["closing.lua LIMIT"] = "10 s",
  ["client/connect.lua VERDICTS"] = "256 children would have to be started",
  ["client/transport/http.lua BACKOFF_MOST"] = "a pause of 30 s",
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
  ["server/ask/parked.lua MOST"] = "as server/ask/live.lua MOST, which is reached",
  MCP_WATCHDOG_SECOND = "closing that does not finish",
  ["server/listen/serve.lua LEAVE"] = "the same, 12 s",
  ["server/listen/serve.lua UNWATCHED"] = "nothing is refused",
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
