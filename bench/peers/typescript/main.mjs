// SPDX-License-Identifier: MIT
// The TypeScript SDK with the tool `echo`:  main.mjs stdio | http PORT | session PORT
// Without a web framework and its guards; plain JSON answers; the schema is made once.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const description = 'Give back the text';
const inputSchema = z.object({ text: z.string() });

function makeServer() {
  const server = new McpServer({ name: 'bench', version: '1.0.0' });
  server.registerTool('echo', { description, inputSchema },
    async ({ text }) => ({ content: [{ type: 'text', text }] }));
  return server;
}

// The way the SDK documents for sessions: a server and a transport for each.
const sessions = new Map();
async function serveSession(request, response) {
  let transport = sessions.get(request.headers['mcp-session-id']);
  if (!transport) {
    transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
      onsessioninitialized: id => { sessions.set(id, transport); },
    });
    await makeServer().connect(transport);
  }
  await transport.handleRequest(request, response);
}

const [mode, port] = process.argv.slice(2);
if (mode === 'stdio') {
  serveStdio(makeServer);
} else {
  const serve = mode === 'session' ? serveSession
    : toNodeHandler(createMcpHandler(makeServer, { maxSubscriptions: 20000 }));
  createServer(serve).listen(Number(port), '127.0.0.1', 1024);
}
