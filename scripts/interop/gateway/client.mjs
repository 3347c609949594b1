// SPDX-License-Identifier: MIT
// client.mjs: both versions of the TypeScript SDK as clients of a gateway over five servers that are
// not ours (../gateway.lua). Prints a line for each feature.
//   node client.mjs sdk1 legacy URL
//   node client.mjs sdk2 legacy|modern URL
import assert from "node:assert/strict";

const [sdk, era, url] = process.argv.slice(2);
const modern = era === "modern";
const LIMIT = 25000;
const TEXTS = "everything+demo://resource/dynamic/text/";
const LEVEL = "small+note://level";
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const PAGE = "https://example.org/go";

const seen = { log: [], updated: {}, changed: {}, asked: [], pages: [] };

const answers = {
  "elicitation/create"({ params }) {
    if (params.mode === "url") {
      seen.pages.push(params.url);
      return { action: "accept" };
    }
    seen.asked.push(params.message);
    const { name, interpretation } = params.requestedSchema.properties;
    if (interpretation) return { action: "accept", content: { interpretation: "technical" } };
    return name ? { action: "accept", content: { name: "Ada" } } : { action: "decline" };
  },
  "sampling/createMessage"({ params }) {
    seen.asked.push(params.messages[0].content.text);
    return { role: "assistant", model: "none", stopReason: "endTurn",
      content: { type: "text", text: "A sample" } };
  },
  "roots/list": () => ({ roots: [{ uri: "file:///tmp/interop", name: "Interop" }] }),
};
const notices = {
  "notifications/message": ({ params }) => seen.log.push(params),
  "notifications/resources/updated": ({ params }) => { seen.updated[params.uri] = true; },
  "notifications/resources/list_changed": () => { seen.changed.resources = true; },
};

const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const info = { name: `gateway ${sdk}`, version: "1.0.0" };

async function connect() {
  let client, transport;
  if (sdk === "sdk1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } =
      await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const types = await import("@modelcontextprotocol/sdk/types.js");
    client = new Client(info, { capabilities });
    const asked = [types.ElicitRequestSchema, types.CreateMessageRequestSchema,
      types.ListRootsRequestSchema];
    const sent = [types.LoggingMessageNotificationSchema, types.ResourceUpdatedNotificationSchema,
      types.ResourceListChangedNotificationSchema];
    Object.values(answers).forEach((fn, i) => client.setRequestHandler(asked[i], fn));
    Object.values(notices).forEach((fn, i) => client.setNotificationHandler(sent[i], fn));
    transport = new StreamableHTTPClientTransport(new URL(url));
  } else {
    const { Client, StreamableHTTPClientTransport } =
      await import("@modelcontextprotocol/client");
    client = new Client(info, { capabilities,
      versionNegotiation: { mode: modern ? { pin: "2026-07-28" } : "legacy" } });
    for (const [method, fn] of Object.entries(answers)) client.setRequestHandler(method, fn);
    for (const [method, fn] of Object.entries(notices)) client.setNotificationHandler(method, fn);
    transport = new StreamableHTTPClientTransport(new URL(url));
  }
  await client.connect(transport);
  return client;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function soon(what, fn, limit = 12000) {
  for (const end = Date.now() + limit; Date.now() < end; await pause(20)) {
    const found = await fn();
    if (found) return found;
  }
  assert.fail(`did not happen: ${what}`);
}

const client = await connect();
const call = (name, args = {}, options, more = {}) =>
  client.callTool({ name, arguments: args, ...more }, ...(sdk === "sdk1" ? [undefined] : []),
    options);
const text = (result) => {
  assert.ok(!result.isError, JSON.stringify(result));
  return result.content.find((item) => item.type === "text").text;
};

// What comes when something that lasts is done, in both eras.
async function listening(filter, run) {
  if (!modern) {
    for (const uri of filter.resourceSubscriptions ?? []) await client.subscribeResource({ uri });
    await run();
    for (const uri of filter.resourceSubscriptions ?? []) await client.unsubscribeResource({ uri });
    return;
  }
  const subscription = await client.listen(filter);
  await run();
  await subscription.close();
}

// A request of the stateless revision as it is: version 2 of the SDK does not read tasks.
let last = 0;
async function dispatch({ method, params }) {
  const id = `task ${++last}`;
  const name = params.name ?? params.taskId;
  const response = await fetch(url, { method: "POST",
    headers: { "Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28",
      Accept: "application/json, text/event-stream", "Mcp-Method": method,
      ...(name ? { "Mcp-Name": name } : {}) },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params }) });
  const body = await response.text();
  const messages = response.headers.get("content-type").startsWith("text/event-stream")
    ? body.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6))
    : [body];
  return messages.map((message) => JSON.parse(message)).find((message) => message.id === id);
}

// A call that has to become a task, with the official package for them.
async function as_task(tool, args) {
  const { createTaskSessionFromClient, resultFromTaskOutcome, toolDeclarationFromMcpTool } =
    await import("@modelcontextprotocol/ext-tasks/client");
  const session = createTaskSessionFromClient(client, { endpointId: "gateway",
    ...(modern ? { rawDispatch: dispatch, v2RequestFraming: {
      protocolVersion: "2026-07-28", clientInfo: info, clientCapabilities: capabilities } } : {}) });
  try {
    const execution = await session.callTool(tool.name, args,
      { declaration: toolDeclarationFromMcpTool(tool), task: { preference: "require" } });
    assert.equal(execution.kind, "task");
    return resultFromTaskOutcome((await execution.settle()).outcome);
  } finally {
    await session.close();
  }
}

const rows = {
  async "tools of five servers"() {
    const { tools } = await client.listTools();
    const names = new Set(tools.map((tool) => tool.name));
    for (const name of ["everything_echo", "files_list_allowed_directories", "memory_read_graph",
      "fast_add", "small_add"]) assert.ok(names.has(name), name);
    assert.equal(text(await call("everything_echo", { message: "Grüße" })), "Echo: Grüße");
    assert.match(text(await call("files_list_allowed_directories")), /examples/);
    assert.match(text(await call("memory_read_graph")), /entities/);
    assert.equal(text(await call("fast_add", { a: 1, b: 2 })), "3");
    assert.equal(text(await call("small_add", { a: 1, b: 2 })), "3");
  },
  async "errors of tools"() {
    const result = await call("small_fail");
    assert.equal(result.isError, true);
    assert.match(result.content[0].text, /no such luck/);
  },
  async progress() {
    for (const [name, args] of [["everything_trigger-long-running-operation",
      { duration: 0.3, steps: 3 }], ["fast_count", { to: 3 }], ["small_count", { to: 3 }]]) {
      const steps = [];
      await call(name, args, { onprogress: (p) => steps.push(`${p.progress}/${p.total}`) });
      assert.deepEqual(steps, ["1/3", "2/3", "3/3"], name);
    }
  },
  async logging() {
    if (!modern) await client.setLoggingLevel("debug");
    const more = modern ? { _meta: { [LOG_LEVEL]: "debug" } } : {};
    await call("fast_log", { text: "hello" }, undefined, more);
    const line = await soon("a message", () => seen.log.find((it) => it.logger?.includes("fast")
      || JSON.stringify(it.data).includes("hello")));
    assert.equal(line.level, "warning");
    // Those of a connection for all clients belong to the call that is in progress.
    await call("everything_toggle-simulated-logging", {}, undefined, more);
    const before = seen.log.length;
    await call("everything_trigger-long-running-operation", { duration: 6, steps: 2 }, undefined,
      more);
    await call("everything_toggle-simulated-logging", {}, undefined, more);
    assert.ok(seen.log.length > before, "no simulated message came");
  },
  async completion() {
    const ask = async (ref, name, value, context) =>
      (await client.complete({ ref, argument: { name, value }, context })).completion.values;
    const ref = { type: "ref/prompt", name: "everything_completable-prompt" };
    assert.deepEqual(await ask(ref, "department", "S"), ["Sales", "Support"]);
    assert.deepEqual(await ask(ref, "name", "", { arguments: { department: "Sales" } }),
      ["David", "Eve", "Frank"]);
    assert.deepEqual(await ask({ type: "ref/resource", uri: `${TEXTS}{resourceId}` },
      "resourceId", "5"), ["5"]);
    assert.deepEqual(await ask({ type: "ref/prompt", name: "small_greet" }, "name", "A"),
      ["Ada", "Alan"]);
  },
  async prompts() {
    const names = new Set((await client.listPrompts()).prompts.map((it) => it.name));
    for (const name of ["everything_simple-prompt", "fast_greet", "small_greet"]) {
      assert.ok(names.has(name), name);
    }
    const { messages } = await client.getPrompt({ name: "everything_args-prompt",
      arguments: { city: "Bonn", state: "NRW" } });
    assert.equal(messages[0].content.text, "What's weather in Bonn, NRW?");
    const embedded = await client.getPrompt({ name: "everything_resource-prompt",
      arguments: { resourceType: "Text", resourceId: "1" } });
    assert.equal(embedded.messages[1].content.resource.uri, `${TEXTS}1`);
    await assert.rejects(client.getPrompt({ name: "everything_args-prompt", arguments: {} }),
      { code: -32602 });
  },
  async resources() {
    const { resources } = await client.listResources();
    assert.ok(resources.length > 3);
    for (const { uri } of resources.filter((it) => it.uri.startsWith("everything+"))) {
      assert.equal((await client.readResource({ uri })).contents[0].uri, uri);
    }
    assert.ok((await client.readResource({ uri: LEVEL })).contents[0].text);
    await assert.rejects(client.readResource({ uri: "everything+demo://nowhere" }),
      (error) => error.code === -32002 || error.code === -32602);
  },
  async templates() {
    const uris = (await client.listResourceTemplates()).resourceTemplates
      .map((it) => it.uriTemplate);
    for (const uri of [`${TEXTS}{resourceId}`, "fast+note://{name}", "small+note://about/{who}"]) {
      assert.ok(uris.includes(uri), `${uri} in ${uris}`);
    }
    assert.match((await client.readResource({ uri: `${TEXTS}7` })).contents[0].text, /Resource 7:/);
    assert.ok((await client.readResource({ uri: "everything+demo://resource/dynamic/blob/8" }))
      .contents[0].blob);
    assert.equal((await client.readResource({ uri: "fast+note://tea" })).contents[0].text,
      "About tea");
  },
  async "links and embedded resources"() {
    const links = (await call("everything_get-resource-links", { count: 4 })).content;
    assert.equal(links[2].uri, `${TEXTS}2`);
    const { content } = await call("everything_get-resource-reference",
      { resourceType: "Text", resourceId: 3 });
    assert.equal(content[1].resource.uri, `${TEXTS}3`);
    const image = (await call("everything_get-tiny-image")).content[1];
    assert.equal(image.mimeType, "image/png");
  },
  async "subscriptions and updates"() {
    await listening({ resourceSubscriptions: [`${TEXTS}1`, LEVEL] }, async () => {
      await call("everything_toggle-subscriber-updates");
      await soon("an update of everything", () => seen.updated[`${TEXTS}1`]);
      await call("everything_toggle-subscriber-updates");
      await call("small_fill");
      await soon("an update of small", () => seen.updated[LEVEL]);
    });
  },
  async list_changed() {
    await listening({ resourcesListChanged: true }, async () => {
      await call("everything_gzip-file-as-resource", { name: `${sdk}-${era}.gz`,
        data: "data:text/plain,packed", outputType: "resourceLink" });
      await soon("list_changed", () => seen.changed.resources);
    });
    const { resources } = await client.listResources();
    assert.ok(resources.some((it) => it.uri.endsWith(`/${sdk}-${era}.gz`)));
  },
  async "elicitation, form"() {
    assert.match(text(await call("everything_trigger-elicitation-request")),
      /User provided the requested information/);
    assert.match(seen.asked.at(-1), /Please provide inputs/);
    assert.equal(text(await call("small_ask")), "Hello, Ada!");
  },
  async "elicitation, URL"() {
    assert.match(text(await call("everything_trigger-url-elicitation", { url: PAGE })),
      /User completed the URL elicitation/);
    assert.equal(seen.pages.at(-1), PAGE);
    // 2025-11-25 has an error for pages that must be visited first. The stateless revision asks.
    const other = call("everything_trigger-url-elicitation",
      { url: `${PAGE}/${sdk}/${era}`, errorPath: true });
    if (!modern) return assert.rejects(other, { code: -32042 });
    assert.match(text(await other), /User completed the URL elicitation/);
    assert.deepEqual(seen.pages.slice(-2),
      ["https://modelcontextprotocol.io", `${PAGE}/${sdk}/${era}`]);
  },
  async sampling() {
    assert.match(text(await call("everything_trigger-sampling-request", { prompt: "a word" })),
      /A sample/);
    assert.match(seen.asked.at(-1), /a word/);
    assert.equal(text(await call("small_sample", { prompt: "a word" })), "The model: A sample");
  },
  async roots() {
    // The server has asked before there was a client with folders, and is notified by this one's.
    await soon("the folders", async () =>
      text(await call("everything_get-roots-list")).includes("file:///tmp/interop"));
  },
  async "structured content"() {
    const { tools } = await client.listTools();
    const tool = tools.find((it) => it.name === "everything_get-structured-content");
    assert.equal(tool.outputSchema.type, "object");
    const result = await call(tool.name, { location: "Chicago" });
    assert.deepEqual(result.structuredContent,
      { temperature: 36, conditions: "Light rain / drizzle", humidity: 82 });
    assert.deepEqual((await call("fast_add", { a: 1, b: 2 })).structuredContent, { result: 3 });
  },
  async annotations() {
    const { tools } = await client.listTools();
    const of = (name) => tools.find((it) => it.name === name).annotations;
    assert.equal(of("files_read_text_file").readOnlyHint, true);
    assert.equal(of("fast_add").readOnlyHint, true);
    const said = await call("everything_get-annotated-message",
      { messageType: "error", includeImage: true });
    assert.deepEqual(said.content[0].annotations, { priority: 1, audience: ["user", "assistant"] });
  },
  async pagination() {
    const { tools } = await client.listTools();
    assert.equal(tools.filter((it) => /^fast_tool_/.test(it.name)).length, 12);
  },
  async cancellation() {
    const before = Number(text(await call("small_cancelled")));
    const stop = new AbortController();
    setTimeout(() => stop.abort("enough"), 150);
    await assert.rejects(call("small_slow", {}, { signal: stop.signal }));
    await soon("the server is notified", async () =>
      Number(text(await call("small_cancelled"))) > before);
    const other = new AbortController();
    setTimeout(() => other.abort("enough"), 150);
    await assert.rejects(call("everything_trigger-long-running-operation",
      { duration: 20, steps: 2 }, { signal: other.signal }));
    assert.equal(text(await call("everything_echo", { message: "on" })), "Echo: on");
  },
  async tasks() {
    const tool = (await client.listTools()).tools
      .find((it) => it.name === "everything_simulate-research-query");
    // Where the client has no tasks, the gateway waits for that of the server.
    const plain = await call(tool.name, { topic: "tea" });
    assert.match(text(plain), /tea/);
    if (sdk === "sdk2") return assert.match(text(await as_task(tool, { topic: "tea" })), /tea/);
    const kinds = [];
    for await (const message of client.experimental.tasks.callToolStream(
      { name: tool.name, arguments: { topic: "tea" } }, undefined, { task: { ttl: 60000 } })) {
      kinds.push(message.type);
      if (message.type === "error") throw message.error;
      if (message.type === "result") assert.match(text(message.result), /tea/);
    }
    assert.equal(kinds[0], "taskCreated");
    assert.equal(kinds.at(-1), "result");
  },
  async icons() {
    const { tools } = await client.listTools();
    const { icons } = tools.find((it) => it.name === "fast_add");
    assert.equal(icons[0].mimeType, "image/png");
  },
  async _meta() {
    const { tools } = await client.listTools();
    assert.equal(tools.find((it) => it.name === "fast_add")._meta.team, "blue");
    assert.equal(text(await call("fast_trace", {}, undefined,
      { _meta: { "example.org/trace": "t1" } })), "t1");
  },
};

const only = process.argv[5];
for (const [name, run] of Object.entries(rows)) {
  if (only && !name.includes(only)) continue;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("still not done")), LIMIT);
  });
  try {
    await Promise.race([run(), late]);
    console.log(`row\t${name}\tok`);
  } catch (error) {
    console.log(`row\t${name}\tFAILED ${String(error.stack).replaceAll("\n", " | ")}`);
  }
  clearTimeout(timer);
}
await client.close();
process.exit(0);
