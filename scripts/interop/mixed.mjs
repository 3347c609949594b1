// SPDX-License-Identifier: MIT
// mixed.mjs: a client of mixed.lua that makes a hundred calls.
//   node mixed.mjs http|sse|websocket|modern URL
import assert from "node:assert/strict";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport as HTTP1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from "@modelcontextprotocol/client";

const CALLS = 100;
const TOGETHER = 10;
const [kind, address] = process.argv.slice(2);
const url = new URL(address);

const kinds = {
  http: () => [Client1, new HTTP1(url)],
  sse: () => [Client1, new SSEClientTransport(url)],
  websocket() {
    url.protocol = "ws:";
    return [Client1, new WebSocketClientTransport(url)];
  },
  modern: () => [Client2, new HTTP2(url), {
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  }],
};
const name = `node ${kind}`;
const [Client, transport, options] = kinds[kind]();
const client = new Client({ name, version: "1.0.0" }, options);
setTimeout(() => {
  console.error("still not done after 30 seconds");
  process.exit(1);
}, 30000).unref();
await client.connect(transport);

for (let first = 1; first <= CALLS; first += TOGETHER) {
  await Promise.all(Array.from({ length: TOGETHER }, async (_, i) => {
    const n = first + i;
    const { structuredContent } = await client.callTool({ name: "count", arguments: { n } });
    assert.deepEqual(structuredContent, { n, client: name });
  }));
}
await client.close();
