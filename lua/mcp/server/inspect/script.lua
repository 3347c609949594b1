-- SPDX-License-Identifier: MIT
-- inspect.script: what the page does: an MCP client of the session era over WebSocket. Here are the
-- connection, the traffic and the lists; form.lua and result.lua belong to the same script.
-- Everything a server says is put in as text, never as markup.
return [==[
const $ = (id) => document.getElementById(id);
const meta = (name) => document.querySelector("meta[name=" + name + "]").content;

// An element. Attributes beginning with "on" are listeners, `text` is its text.
function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const pretty = (value) => JSON.stringify(value, null, 2);

// --- the traffic: the newest on top, old ones go -------------------------------
const KEPT = 500;
let origin = performance.now();

function is_shown(entry) {
  return entry.textContent.toLowerCase().includes($("filter").value.trim().toLowerCase());
}

// Numbers that a page cannot hold are shown as they came.
const inexact = (text) => /\d{16}|\d[eE]|\.\d{16}/.test(text);

function show(way, message, text, about) {
  const bad = message.error || (message.result && message.result.isError);
  const entry = make("details", { class: way + (bad ? " bad" : "") },
    make("summary", {},
      make("code", { text: message.method || (message.error ? "error" : "result") }),
      make("span", { text: about }),
      make("time", { text: ((performance.now() - origin) / 1000).toFixed(3) + " s" })));
  entry.append(make("pre", { text: inexact(text) ? text : pretty(message) }));
  entry.hidden = !is_shown(entry);
  $("traffic").prepend(entry);
  while ($("traffic").childElementCount > KEPT) $("traffic").lastElementChild.remove();
}

function log(level, text) {
  $("logs").hidden = false;
  $("log").prepend(make("p", { class: level }, make("b", { text: level }), " " + text));
  while ($("log").childElementCount > KEPT) $("log").lastElementChild.remove();
}

// --- the connection -------------------------------------------------------------
const FIRST_PAUSE = 500, LONGEST_PAUSE = 10000;
let socket, last = 0, pause = FIRST_PAUSE, again, server = {};
const waiting = new Map();

function say(text, bad) {
  $("state").textContent = text;
  $("state").className = bad ? "bad" : "";
}

function send(message, about) {
  const whole = { jsonrpc: "2.0", ...message };
  const text = JSON.stringify(whole);
  if (!socket || socket.readyState !== WebSocket.OPEN) throw { message: "not connected" };
  show("out", whole, text, about || (whole.id === undefined ? "" : "id " + whole.id));
  socket.send(text);
}

// Sends a request: { id, answer }, the answer being a promise. `progressed` gets what is told of
// it meanwhile.
function start(method, params, progressed) {
  const id = ++last;
  const whole = progressed ? { ...params, _meta: { progressToken: id } } : params;
  const answer = new Promise((resolve, reject) => {
    waiting.set(id, { method, resolve, reject, progressed, begun: performance.now() });
    try {
      send({ id, method, params: whole });
    } catch (error) {
      waiting.delete(id);
      reject(error);
    }
  });
  return { id, answer };
}

const request = (method, params) => start(method, params).answer;

// Nobody answers what was cancelled, so it ends here.
function cancel(id) {
  const one = waiting.get(id);
  if (!one) return;
  waiting.delete(id);
  send({ method: "notifications/cancelled", params: { requestId: id, reason: "by the user" } });
  one.reject({ message: "cancelled" });
}

// --- what the server asks of us --------------------------------------------------
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
    const way = Object.hasOwn(answers, message.method) && answers[message.method];
    if (!way) throw { code: -32601, message: "Method not found: " + message.method };
    out = { result: await way(message.params || {}, message.id) };
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
    const one = waiting.get(params.progressToken);
    if (one && one.progressed) one.progressed(params);
  },
  "notifications/cancelled": (params) => {
    const question = questions.get(params.requestId);
    if (!question) return;
    abandoned.add(params.requestId);
    question();
    log("notice", "the server no longer waits for an answer");
  },
  "notifications/resources/updated": (params) => {
    log("notice", "changed: " + params.uri);
    for (const node of $("resources").children) {
      if (node.dataset.name === params.uri && node.open) node.querySelector("form").requestSubmit();
    }
  },
  "notifications/elicitation/complete": (params) =>
    log("notice", "done elsewhere: " + params.elicitationId),
  "notifications/tools/list_changed": () => lists.tools(),
  "notifications/resources/list_changed": () => lists.resources(),
  "notifications/prompts/list_changed": () => lists.prompts(),
};

function take(text) {
  const message = JSON.parse(text);
  const one = message.method === undefined ? waiting.get(message.id) : undefined;
  const about = one ? " · " + one.method + " · " + (performance.now() - one.begun).toFixed(1)
    + " ms" : "";
  show("in", message, text, message.id === undefined ? "" : "id " + message.id + about);
  if (message.method === undefined) {
    waiting.delete(message.id);
    if (one && message.error) one.reject(message.error);
    else if (one) one.resolve(message.result);
  } else if (message.id !== undefined) {
    answer(message);
  } else if (Object.hasOwn(notices, message.method)) {
    notices[message.method](message.params || {});
  }
}

const set_level = () => request("logging/setLevel", { level: $("level").value })
  .catch((error) => log("error", error.message));

// The server may have become another one: all is asked anew.
async function greet() {
  server = await request("initialize", { protocolVersion: meta("mcp-version"), capabilities:
    { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } },
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

function connect() {
  clearTimeout(again);
  if (socket) {
    socket.onclose = null;
    socket.close();
    end();
  }
  say("connecting …");
  socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host
    + meta("mcp-path"), "mcp");
  socket.onmessage = (event) => take(event.data);
  socket.onopen = () => greet().catch((error) => say(error.message, true));
  socket.onclose = (event) => {
    end();
    say("not connected" + (event.reason ? " (" + event.reason + ")" : "") + "; trying again", true);
    again = setTimeout(connect, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
}

function end() {
  for (const question of [...questions.values()]) question();
  for (const one of waiting.values()) one.reject({ message: "the connection is closed" });
  waiting.clear();
  abandoned.clear();
}

// --- lists ------------------------------------------------------------------------
// All pages of a list; a server that goes round in circles is stopped.
const PAGES = 1000;
async function all(method, key) {
  const list = [];
  let cursor;
  for (let i = 0; i < PAGES; i++) {
    const page = await request(method, cursor === undefined ? {} : { cursor });
    list.push(...page[key]);
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  return list;
}

function entry(name, title, about, body) {
  return make("details", { "data-name": name }, make("summary", {}, make("code", { text: name }),
    make("span", { text: [title, about].filter(Boolean).join(" · ") })), body);
}

// Shows a list. What has not changed keeps its node, and so what was typed into it.
const shown = { tools: new Map(), resources: new Map(), prompts: new Map() };
async function fill(kind, ask_list) {
  let list;
  try {
    list = await ask_list();
  } catch (error) {
    $(kind).replaceChildren(failure(error));
    return;
  }
  const before = shown[kind], now = new Map();
  for (const { name, of, build } of list) {
    const old = before.get(name), text = JSON.stringify(of);
    const node = old && old.text === text ? old.node : build();
    if (old) node.open = old.node.open;
    now.set(name, { text, node });
  }
  shown[kind] = now;
  const nodes = [...now.values()].map((one) => one.node);
  // Moving a node takes the focus off what is in it.
  if (nodes.length === 0 || nodes.some((node, i) => $(kind).children[i] !== node)
    || $(kind).childElementCount !== nodes.length) {
    $(kind).replaceChildren(...(nodes.length > 0 ? nodes : [make("p", { text: "none" })]));
  }
  $(kind).parentElement.querySelector("h2 small").textContent = String(nodes.length);
  search();
}

const HINTS = { readOnlyHint: "reads only", destructiveHint: "destroys", idempotentHint:
  "idempotent", openWorldHint: "open world" };

function tool_entry(tool) {
  const support = tool.execution && tool.execution.taskSupport;
  const hints = tool.annotations || {};
  const as_task = make("input", { type: "checkbox" });
  as_task.checked = support === "required";
  as_task.disabled = support === "required";
  const more = [
    ...Object.keys(HINTS).filter((hint) => hints[hint]).map((hint) =>
      make("small", { class: "hint", text: HINTS[hint] })),
    support === "optional" || support === "required"
      ? make("label", { class: "inline" }, as_task, " as a task") : null,
    make("details", { class: "plain" }, make("summary", { text: "definition" }),
      make("pre", { text: pretty(tool) }))];
  return entry(tool.name, tool.title || hints.title, tool.description,
    form(tool.inputSchema, "Call", async (given, call) => {
      const params = { name: tool.name, arguments: given };
      if (as_task.checked) params.task = {};
      let result = await call("tools/call", params);
      if (result.task) {
        call.say("task " + result.task.taskId + ": " + result.task.status);
        result = await call("tasks/result", { taskId: result.task.taskId });
      }
      return tool_result(result);
    }, more));
}

function resource_entry(one) {
  const subscribed = make("input", { type: "checkbox", onchange: (event) => request(
    event.target.checked ? "resources/subscribe" : "resources/unsubscribe", { uri: one.uri })
    .catch((error) => {
      event.target.checked = !event.target.checked;
      log("error", error.message);
    }) });
  const can = server.capabilities.resources.subscribe;
  return entry(one.uri, one.title || one.name, one.description, form({}, "Read",
    async (given, call) => resource_result(await call("resources/read", { uri: one.uri })),
    [can ? make("label", { class: "inline" }, subscribed, " tell me of changes") : null]));
}

// Variables of a URI template (RFC 6570) with what stands between their values.
const OPERATORS = { "": ["", ",", false], "+": ["", ",", true], "#": ["#", ",", true],
  ".": [".", ".", false], "/": ["/", "/", false], ";": [";", ";", false], "?": ["?", "&", false],
  "&": ["&", "&", false] };
const EXPRESSION = /\{([+#./;?&]?)([^{}]+)\}/g;
const names_in = (list) => list.split(",").map((name) => name.replace(/\*$|:\d+$/, ""));

function expand(template, given) {
  return template.replace(EXPRESSION, (_, operator, list) => {
    const [first, between, reserved] = OPERATORS[operator];
    const words = names_in(list).filter((name) => given[name] !== undefined).map((name) => {
      const text = reserved ? encodeURI(given[name]) : encodeURIComponent(given[name]);
      if (operator === ";") return text === "" ? name : name + "=" + text;
      return operator === "?" || operator === "&" ? name + "=" + text : text;
    });
    return words.length > 0 ? first + words.join(between) : "";
  });
}

function template_entry(one) {
  const properties = [...one.uriTemplate.matchAll(EXPRESSION)].flatMap((found) =>
    names_in(found[2])).map((name) => [name, { type: "string" }]);
  const inner = form({ properties: Object.fromEntries(properties) }, "Read", async (given, call) =>
    resource_result(await call("resources/read", { uri: expand(one.uriTemplate, given) })));
  complete(inner, { type: "ref/resource", uri: one.uriTemplate });
  return entry(one.uriTemplate, one.title || one.name, one.description, inner);
}

function prompt_entry(one) {
  const list = one.arguments || [];
  const inner = form({ required: list.filter((a) => a.required).map((a) => a.name), properties:
    Object.fromEntries(list.map((a) => [a.name, { type: "string", title: a.title,
      description: a.description }])) }, "Get", async (given, call) =>
    (await call("prompts/get", { name: one.name, arguments: given })).messages.map(prompt_message));
  complete(inner, { type: "ref/prompt", name: one.name });
  return entry(one.name, one.title, one.description, inner);
}

const lists = {
  tools: () => fill("tools", async () => (await all("tools/list", "tools")).map((one) =>
    ({ name: one.name, of: one, build: () => tool_entry(one) }))),
  resources: () => fill("resources", async () => [
    ...(await all("resources/list", "resources")).map((one) =>
      ({ name: one.uri, of: one, build: () => resource_entry(one) })),
    ...(await all("resources/templates/list", "resourceTemplates")).map((one) =>
      ({ name: one.uriTemplate, of: one, build: () => template_entry(one) })),
  ]),
  prompts: () => fill("prompts", async () => (await all("prompts/list", "prompts")).map((one) =>
    ({ name: one.name, of: one, build: () => prompt_entry(one) }))),
};

// --- the page ------------------------------------------------------------------------
function search() {
  const word = $("search").value.trim().toLowerCase();
  for (const node of document.querySelectorAll("main details[data-name]")) {
    node.hidden = !node.firstChild.textContent.toLowerCase().includes(word);
  }
}

$("search").addEventListener("input", search);
$("filter").addEventListener("input", () => {
  for (const entry of $("traffic").children) entry.hidden = !is_shown(entry);
});
$("clear").addEventListener("click", () => {
  origin = performance.now();
  $("traffic").replaceChildren();
});
$("clear-log").addEventListener("click", () => {
  $("log").replaceChildren();
  $("logs").hidden = true;
});
$("reconnect").addEventListener("click", () => {
  pause = FIRST_PAUSE;
  connect();
});
$("level").addEventListener("change", set_level);
$("roots").addEventListener("change", () => {
  try {
    send({ method: "notifications/roots/list_changed" });
  } catch (error) {
    log("error", error.message);
  }
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("search").focus();
  }
});

connect();
]==]
