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
};

// How each example is started.
export const servers = {
  files: ["run", "examples/files.lua", "examples/library"],
  hello: ["run", "examples/hello.lua"],
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
