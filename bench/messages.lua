-- SPDX-License-Identifier: MIT
-- messages: what the clients of the benchmarks send, as text. Sizes count: what one benchmark sends
-- another one sends as well.

return {
  ---The argument of a call of echo.
  TEXT = "The quick brown fox jumps over the lazy dog, then naps 64.",
  ---`_meta` of a request without a session.
  META = [[{"io.modelcontextprotocol/protocolVersion":"2026-07-28",]]
    .. [["io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},]]
    .. [["io.modelcontextprotocol/clientCapabilities":{}}]],
  INITIALIZE = [[{"jsonrpc":"2.0","id":1,"method":"initialize","params":]]
    .. [[{"protocolVersion":"2025-11-25","capabilities":{},]]
    .. [["clientInfo":{"name":"bench","version":"1.0.0"}}}]],
  INITIALIZED = [[{"jsonrpc":"2.0","method":"notifications/initialized"}]],
}
