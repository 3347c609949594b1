// SPDX-License-Identifier: MIT
// sdk1.mjs: the client of the TypeScript SDK, version 1.
//   node sdk1.mjs EXAMPLE legacy [URL]     over HTTP, or over stdio without URL
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { run, servers } from "./errands.mjs";

const [example, , url] = process.argv.slice(2);

await run(example, async () => {
  const client = new Client({ name: "interop", version: "1.0.0" });
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({
      command: process.env.PROGRAM,
      args: servers[example],
    });
  await client.connect(transport);
  if (url) {
    assert.equal(transport.protocolVersion, "2025-11-25");
    assert.ok(transport.sessionId);
  }
  assert.deepEqual(await client.ping(), {});
  return [client, async () => {
    if (url) await transport.terminateSession();
    await client.close();
  }];
});
