// SPDX-License-Identifier: MIT
// errands.mjs: what every client is made to do with an example server, and what
// must come back. `client` is a connected Client of either SDK.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const LIBRARY = "examples/library/";

async function tools(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["search"]);
  assert.deepEqual(tools[0].inputSchema.required, ["query"]);
  assert.equal(tools[0].outputSchema.type, "object");

  const search = (args) => client.callTool({ name: "search", arguments: args });
  const found = await search({ query: "rain", limit: 2 });
  const matches = [
    { path: "rain.txt", line: 1, text: "Rain, at the Desk" },
    {
      path: "rain.txt",
      line: 3,
      text: "All day the rain has asked the roof one question",
    },
  ];
  assert.ok(!found.isError);
  assert.deepEqual(found.structuredContent, { matches });
  assert.deepEqual(JSON.parse(found.content[0].text), { matches });

  const none = await search({ query: "no such words anywhere" });
  assert.deepEqual(none.structuredContent, { matches: [] });

  const wrong = await search({ qery: "rain" });
  assert.equal(wrong.isError, true);
  assert.match(wrong.content[0].text, /"query"/);

  // Answers to calls that are under way together must not be mixed up.
  const words = ["rain", "tea", "garden", "mars", "venus", "earth", "water"];
  const lines = await Promise.all(words.map((query) => search({ query })));
  lines.forEach(({ structuredContent: { matches } }, i) => {
    assert.ok(matches.length > 0, words[i]);
    for (const { text } of matches) {
      assert.ok(text.toLowerCase().includes(words[i]), text);
    }
  });
}

async function resources(client) {
  const { resources } = await client.listResources();
  assert.deepEqual(
    resources.map((resource) => resource.uri).sort(),
    [
      "folder:///garden/herbst.txt",
      "folder:///garden/spring.md",
      "folder:///planets.csv",
      "folder:///rain.txt",
      "folder:///tea.md",
    ],
  );
  for (const { uri, name, size, mimeType } of resources) {
    const text = readFileSync(LIBRARY + name, "utf8");
    assert.equal(size, Buffer.byteLength(text), name);
    const { contents } = await client.readResource({ uri });
    assert.equal(contents.length, 1);
    assert.equal(contents[0].uri, uri);
    assert.equal(contents[0].mimeType, mimeType);
    assert.equal(contents[0].text, text);
  }

  const { resourceTemplates } = await client.listResourceTemplates();
  assert.deepEqual(
    resourceTemplates.map((template) => template.uriTemplate),
    ["folder:///{+path}"],
  );

  await assert.rejects(
    client.readResource({ uri: "folder:///../server.lua" }),
    (error) => error.code === -32002 || error.code === -32602,
  );
}

async function prompts(client) {
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map((prompt) => prompt.name), ["summarise"]);
  assert.deepEqual(prompts[0].arguments, [{ name: "path", required: true }]);
  const { messages } = await client.getPrompt({
    name: "summarise",
    arguments: { path: "tea.md" },
  });
  assert.deepEqual(messages.map((message) => message.role), ["user", "user"]);
  const { resource } = messages[0].content;
  assert.equal(resource.uri, "folder:///tea.md");
  assert.equal(resource.text, readFileSync(LIBRARY + "tea.md", "utf8"));
  assert.match(messages[1].content.text, /^Summarise this file/);
}

export const errands = {
  async files(client) {
    assert.equal(client.getServerVersion().name, "files");
    await tools(client);
    await resources(client);
    await prompts(client);
  },

  async hello(client) {
    assert.equal(client.getServerVersion().name, "hello");
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name), ["greet"]);
    const name = "Ada \u{1F642} \"Lovelace\"";
    const { content } = await client.callTool({
      name: "greet",
      arguments: { name },
    });
    assert.deepEqual(content, [{ type: "text", text: `Hello, ${name}!` }]);
    await assert.rejects(
      client.callTool({ name: "grete", arguments: {} }),
      (error) => error.code === -32602 && /greet/.test(error.message),
    );
  },

  // A query that never ends holds no other call, and cancelling it frees its worker.
  async sqlite(client) {
    assert.equal(client.getServerVersion().name, "sqlite");
    const query = (args) => client.callTool({ name: "query", arguments: args });
    const { structuredContent } = await query({ sql: "SELECT * FROM author ORDER BY id" });
    assert.deepEqual(structuredContent, {
      rows: [{ id: 1, name: "Ada" }, { id: 2, name: "Gr\u00e4fin" }],
      more: false,
    });
    const refused = await query({ sql: "DELETE FROM author" });
    assert.equal(refused.isError, true);
    assert.match(refused.content[0].text, /readonly/);
    const { contents } = await client.readResource({ uri: "sqlite://tables" });
    assert.match(contents[0].text, /CREATE TABLE author/);

    const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) " +
      "SELECT count(*) FROM c";
    const cancel = new AbortController();
    const params = { name: "query", arguments: { sql: endless } };
    const options = { signal: cancel.signal };
    // Version 1 has the schema of the result in between.
    const calls = [1, 2].map(() =>
      client.callTool.length === 1
        ? client.callTool(params, undefined, options)
        : client.callTool(params, options)
    );
    const ended = Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const began = Date.now();
    for (let i = 0; i < 20; i++) await client.readResource({ uri: "mcp://missing" }).catch(() => {});
    assert.ok(Date.now() - began < 2000, "others wait for the query");
    cancel.abort("not needed");
    for (const { status } of await ended) assert.equal(status, "rejected");
    const after = await query({ sql: "SELECT count(*) AS n FROM author" });
    assert.deepEqual(after.structuredContent.rows, [{ n: 2 }]);
  },

  // A call that waits for luv holds no other, and a cancelled one ends.
  async with_luv(client) {
    const call = (name, args) => client.callTool({ name, arguments: args });
    const { structuredContent } = await call("stat", { path: "/" });
    assert.equal(structuredContent.kind, "directory");
    const missing = await call("stat", { path: "/nowhere" });
    assert.equal(missing.isError, true);
    assert.match(missing.content[0].text, /ENOENT/);
    const cancel = new AbortController();
    const params = { name: "timer", arguments: { milliseconds: 60000 } };
    const options = { signal: cancel.signal };
    const ended = Promise.allSettled([
      client.callTool.length === 1
        ? client.callTool(params, undefined, options)
        : client.callTool(params, options),
    ]);
    const { content } = await call("timer", { milliseconds: 20 });
    assert.ok(Number(content[0].text) >= 20);
    cancel.abort("not needed");
    assert.equal((await ended)[0].status, "rejected");
    const found = (await call("resolve", { host: "127.0.0.1" })).content[0].text;
    assert.deepEqual(JSON.parse(found), ["127.0.0.1"]);
  },

  // Two calls that meet in a library with a loop of its own.
  async with_cqueues(client) {
    const call = (name, args) => client.callTool({ name, arguments: args });
    const answers = await Promise.all([
      call("meet", {}),
      call("sleep", { seconds: 0.05 }),
      call("meet", {}),
    ]);
    const texts = answers.map((answer) => answer.content[0].text);
    assert.equal(texts[1], "slept 0.05 s");
    assert.match(texts[0], /^met as number \d+$/);
    assert.match(texts[2], /^met as number \d+$/);
    assert.equal((await call("first_line", { port: 1 })).isError, true);
  },

  async notes(client) {
    assert.equal(client.getServerVersion().name, "notes");
    const name = `tea ${process.pid}`;
    const uri = `notes:///tea%20${process.pid}`;
    const call = async (tool, args) => {
      const result = await client.callTool({ name: tool, arguments: args });
      return result.isError ? `(error) ${result.content[0].text}` : result.content[0].text;
    };
    const write = (text) => call("write_note", { name, text });
    assert.equal(await write("Boil water."), `created ${uri}`);
    assert.equal(await write("Boil Water."), `replaced ${uri}`);
    assert.equal(await call("append_to_note", { name, text: "Wait." }), `added to ${uri}`);
    assert.equal(await call("read_note", { name }), "Boil Water.\n\nWait.");
    const { resources } = await client.listResources();
    const found = resources.find((resource) => resource.uri === uri);
    assert.equal(found.size, 18);
    assert.ok(Date.now() - Date.parse(found.annotations.lastModified) < 60000);
    const { contents } = await client.readResource({ uri });
    assert.equal(contents[0].text, "Boil Water.\n\nWait.");
    const { structuredContent } = await client.callTool({
      name: "search_notes",
      arguments: { query: "WAIT" },
    });
    assert.ok(structuredContent.matches.some((match) => match.name === name && match.line === 3));
    assert.match(await call("write_note", { name: "../x", text: "" }), /^\(error\) .*pattern/);
    assert.equal(await call("delete_note", { name }), `removed ${uri}`);
    assert.match(await call("read_note", { name }), /^\(error\) no note/);
  },
};

// How each example is started.
export const servers = {
  files: ["run", "examples/files.lua", "examples/library"],
  hello: ["run", "examples/hello.lua"],
  sqlite: ["run", "examples/sqlite.lua", `${process.env.INTEROP_SCRATCH}/authors.db`],
  with_luv: ["run", "examples/with_luv.lua"],
  with_cqueues: ["run", "examples/with_cqueues.lua"],
  notes: ["run", "examples/notes.lua", `${process.env.INTEROP_SCRATCH}/notes`],
};

// Runs the errands of `example` with a client that `connect` gives, which is a
// pair of a client and a function that closes it.
export async function run(example, connect) {
  const limit = setTimeout(() => {
    console.error("still not done after 30 seconds");
    process.exit(1);
  }, 30000);
  const [client, close] = await connect();
  await errands[example](client);
  const closing = Date.now();
  await close();
  // A server that has to be killed takes two seconds.
  assert.ok(Date.now() - closing < 1500, "the server did not end by itself");
  clearTimeout(limit);
}
