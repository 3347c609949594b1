// SPDX-License-Identifier: MIT
// small.mjs: a small server made with version 2 of the TypeScript SDK, for the
// errand of our client (ours/small.lua). small1.py and small2.py offer the same.
//   node small.mjs stdio | http [PORT]
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  acceptedContent, completable, createMcpHandler, inputRequired, inputResponse,
  isLegacyRequest, McpServer, ResourceTemplate,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import {
  NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest,
} from "@modelcontextprotocol/node";

const text = (text) => ({ content: [{ type: "text", text }] });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let level = 0;
let cancelled = 0;
const sessions = new Map();
// How those who listen without a session are told; set below.
let updated = () => {};

function small({ era }) {
  const server = new McpServer({ name: "small", version: "2.0.0" }, {
    instructions: "Be brief.",
    capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
  });

  server.registerTool("add", {
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    outputSchema: z.object({ result: z.number() }),
  }, ({ a, b }) => ({ ...text(String(a + b)), structuredContent: { result: a + b } }));

  server.registerTool("count", {
    inputSchema: z.object({ to: z.number() }),
  }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= to; progress++) {
      await pause(20);
      await mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress, total: to, message: `step ${progress}` },
      });
    }
    return text("counted");
  });

  server.registerTool("fail", {}, () => {
    throw new Error("no such luck");
  });

  server.registerTool("ask", {}, (ctx) => {
    const responses = ctx.mcpReq.inputResponses;
    const content = acceptedContent(responses, "name");
    if (content) return text(`Hello, ${content.name}!`);
    if (inputResponse(responses, "name").kind === "elicit") return text("Nobody.");
    return inputRequired({
      inputRequests: {
        name: inputRequired.elicit({
          message: "Who is there?",
          requestedSchema: z.object({ name: z.string() }),
        }),
      },
    });
  });

  server.registerTool("sample", {
    inputSchema: z.object({ prompt: z.string() }),
  }, ({ prompt }, ctx) => {
    const answer = ctx.mcpReq.inputResponses?.model;
    if (answer) return text(`The model: ${[answer.content].flat()[0].text}`);
    return inputRequired({
      inputRequests: {
        model: inputRequired.createMessage({
          messages: [{ role: "user", content: { type: "text", text: prompt } }],
          maxTokens: 10,
        }),
      },
    });
  });

  server.registerTool("slow", {}, async ({ mcpReq: { signal } }) => {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 20000);
      signal.addEventListener("abort", () => {
        cancelled++;
        clearTimeout(timer);
        resolve();
      });
    });
    return text("at last");
  });

  server.registerTool("cancelled", {}, () => text(String(cancelled)));

  server.registerTool("sessions", {}, () => text(String(sessions.size)));

  server.registerTool("big", {
    inputSchema: z.object({ size: z.number() }),
  }, ({ size }) => text("x".repeat(size)));

  server.registerTool("fill", {}, async () => {
    level++;
    if (era === "legacy") await server.server.sendResourceUpdated({ uri: "note://level" });
    else await updated(server, "note://level");
    return text(String(level));
  });

  server.registerResource("level", "note://level", { mimeType: "text/plain" },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: "text/plain", text: String(level) }] }));
  server.registerResource("about",
    new ResourceTemplate("note://about/{who}", { list: undefined }), {},
    (uri, { who }) => ({ contents: [{ uri: uri.href, text: `About ${who}` }] }));
  if (era === "legacy") {
    server.server.setRequestHandler("resources/subscribe", () => ({}));
    server.server.setRequestHandler("resources/unsubscribe", () => ({}));
  }

  server.registerPrompt("greet", {
    argsSchema: z.object({
      name: completable(z.string(),
        (value) => ["Ada", "Alan", "Grace"].filter((name) => name.startsWith(value))),
    }),
  }, ({ name }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }],
  }));
  return server;
}

if (process.argv[2] === "stdio") {
  updated = (server, uri) => server.server.sendResourceUpdated({ uri });
  serveStdio(small);
} else {
  const modern = createMcpHandler(small, { legacy: "reject" });
  updated = (_, uri) => modern.notify.resourceUpdated(uri);
  const serve = toNodeHandler(modern);

  async function legacy(req, res, body) {
    const id = req.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (id && !transport) return res.writeHead(404).end();
    if (!transport) {
      transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id),
      });
      await small({ era: "legacy" }).connect(transport);
    }
    return transport.handleRequest(req, res, body);
  }

  const http = createServer(async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    const body = parts.length ? JSON.parse(Buffer.concat(parts)) : undefined;
    if (await isLegacyRequest(await toWebRequest(req, body))) await legacy(req, res, body);
    else await serve(req, res, body);
  });
  http.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () => {
    console.error(`small: answers at http://127.0.0.1:${http.address().port}/mcp`);
  });
}
