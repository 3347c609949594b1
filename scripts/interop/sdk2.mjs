// SPDX-License-Identifier: MIT
// sdk2.mjs: the client of the TypeScript SDK, version 2.
//   node sdk2.mjs EXAMPLE legacy|modern|auto [URL]
import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { run, servers } from "./errands.mjs";

const [example, era, url] = process.argv.slice(2);
const modes = { legacy: "legacy", modern: { pin: "2026-07-28" }, auto: "auto" };

await run(example, async () => {
  const client = new Client({ name: "interop", version: "2.0.0" }, {
    versionNegotiation: { mode: modes[era] },
  });
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({
      command: process.env.PROGRAM,
      args: servers[example],
    });
  await client.connect(transport);
  assert.equal(
    client.getNegotiatedProtocolVersion(),
    era === "legacy" ? "2025-11-25" : "2026-07-28",
  );
  return [client, async () => {
    if (url && era === "legacy") await transport.terminateSession();
    await client.close();
  }];
});
