// SPDX-License-Identifier: MIT
// session: what the server sends, the handshake, and connecting again.

const answers = {
  "ping": () => ({}),
  "roots/list": () => ({ roots: $("roots").value.split("\n").map((uri) => uri.trim())
    .filter((uri) => uri !== "").map((uri) => ({ uri })) }),
  "elicitation/create": (params, id) => params.mode === "url" ? ask_url(params, id)
    : ask(id, "The server asks", [make("pre", { text: params.message })],
      params.requestedSchema || {}),
  "sampling/createMessage": async (params, id) => {
    const given = await ask(id, "The server wants a model to answer", [
      params.systemPrompt ? make("pre", { class: "quiet", text: params.systemPrompt }) : null,
      ...params.messages.map(prompt_message),
      make("details", {}, make("summary", { text: "all of it" }),
        make("pre", { text: pretty(params) }))],
      { properties: { text: { type: "string", title: "Answer" }, model: { type: "string",
        title: "Model", default: "a person at the inspect page" } }, required: ["text", "model"] });
    if (given.action !== "accept") throw { code: -1, message: "User rejected sampling request" };
    return { role: "assistant", model: given.content.model, stopReason: "endTurn",
      content: { type: "text", text: given.content.text } };
  },
};

const abandoned = new Set();

async function answer(message) {
  let out;
  try {
    const handler = Object.hasOwn(answers, message.method) && answers[message.method];
    if (!handler) throw { code: -32601, message: "Method not found: " + message.method };
    out = { result: await handler(message.params || {}, message.id) };
  } catch (error) {
    out = { error: { code: error.code || -32603, message: String(error.message) } };
  }
  if (abandoned.delete(message.id)) return;
  try { send({ id: message.id, ...out }); } catch (error) { say(error.message, true); }
}

const notices = {
  "notifications/message": (params) => log(String(params.level),
    (params.logger ? params.logger + ": " : "")
    + (typeof params.data === "string" ? params.data : JSON.stringify(params.data))),
  "notifications/progress": (params) => {
    const pending = waiting.get(params.progressToken);
    if (pending && pending.progressed) pending.progressed(params);
  },
  "notifications/cancelled": (params) => {
    const question = questions.get(params.requestId);
    if (!question) return;
    abandoned.add(params.requestId);
    question();
    log("notice", "the server cancelled its question");
  },
  "notifications/resources/updated": (params) => {
    log("notice", "changed: " + params.uri);
    page_updated(params.uri);
    for (const node of $("resources").children) {
      if (node.dataset.name === params.uri && node.open) node.querySelector("form").requestSubmit();
    }
  },
  "notifications/elicitation/complete": (params) =>
    log("notice", "completed in the browser: " + params.elicitationId),
  "notifications/tools/list_changed": () => {
    lists.tools();
    relay_changed("notifications/tools/list_changed");
  },
  "notifications/resources/list_changed": () => {
    lists.resources();
    relay_changed("notifications/resources/list_changed");
  },
  "notifications/prompts/list_changed": () => lists.prompts(),
};

function take(text) {
  const message = JSON.parse(text);
  const pending = message.method === undefined ? waiting.get(message.id) : undefined;
  const about = pending ? " · " + pending.method + " · "
    + (performance.now() - pending.begun).toFixed(1) + " ms" : "";
  show("in", message, text, message.id === undefined ? "" : "id " + message.id + about);
  if (message.method === undefined) {
    waiting.delete(message.id);
    if (pending && message.error) pending.reject(message.error);
    else if (pending) pending.resolve(message.result);
  } else if (message.id !== undefined) {
    answer(message);
  } else if (Object.hasOwn(notices, message.method)) {
    notices[message.method](message.params || {});
  }
}

const set_level = () => request("logging/setLevel", { level: $("level").value })
  .catch((error) => log("error", error.message));

// After a reconnect this may be a different server: everything is requested again.
async function greet() {
  server = await request("initialize", { protocolVersion: meta("mcp-version"), capabilities:
    { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true },
      extensions: { [APPS]: { mimeTypes: [APP_MIME] } } },
    clientInfo: { name: "luamcp-inspect", version: meta("mcp-software") } });
  send({ method: "notifications/initialized" });
  pause = FIRST_PAUSE;
  const is = server.serverInfo, has = server.capabilities;
  $("name").textContent = is.title || is.name;
  document.title = "MCP: " + (is.title || is.name);
  say((is.title ? is.name + " " : "") + is.version + " · revision " + server.protocolVersion);
  $("about").textContent = [is.description, server.instructions].filter(Boolean).join("\n\n");
  $("capabilities").textContent = pretty(has);
  $("level").parentElement.hidden = !has.logging;
  if (has.logging) set_level();
  for (const kind of Object.keys(lists)) {
    $(kind).parentElement.hidden = !has[kind];
    if (has[kind]) lists[kind]();
  }
}

// Where clients need a token, the page was opened with one that works once. It is used with a key
// made here, which is enough after that. Both are kept in the memory of this page only.
const guarded = meta("mcp-guarded") === "yes";
const page_key = [...crypto.getRandomValues(new Uint8Array(24))].map((byte) =>
  byte.toString(16).padStart(2, "0")).join("");
const page_token = new URLSearchParams(location.hash.slice(1)).get("token");
if (page_token) history.replaceState(null, "", location.pathname);
let admitted = false;

const admission = () => !guarded ? [] : ["mcp.page." + page_key,
  ...(page_token && !admitted ? ["mcp.token." + page_token.replace(/[^\w-]/g, "")] : [])];

function connect() {
  clearTimeout(again);
  if (socket) {
    socket.onclose = null;
    socket.close();
    end();
  }
  say("connecting …");
  socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host
    + meta("mcp-path"), ["mcp", ...admission()]);
  let opened = false;
  socket.onmessage = (event) => take(event.data);
  socket.onopen = () => {
    opened = admitted = true;
    greet().catch((error) => say(error.message, true));
  };
  socket.onclose = (event) => {
    end();
    say(guarded && !opened ? "not admitted: open the address that the program has printed last; it "
      + "works once"
      : "not connected" + (event.reason ? " (" + event.reason + ")" : "") + "; trying again", true);
    again = setTimeout(connect, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
}

function end() {
  close_views("the connection ended");
  watched.clear();
  for (const question of [...questions.values()]) question();
  for (const pending of waiting.values()) pending.reject({ message: "the connection is closed" });
  waiting.clear();
  abandoned.clear();
}
