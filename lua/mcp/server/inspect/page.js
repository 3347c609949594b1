// SPDX-License-Identifier: MIT
// The inspect page: an MCP client of the revisions with sessions, over WebSocket. Everything that a
// server sends is inserted as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const meta = (name) => document.querySelector("meta[name=" + name + "]").content;

// Creates an element. Attributes that begin with "on" are listeners; `text` is its text content.
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

// --- the messages: newest first, at most KEPT of them -------------------------------
const KEPT = 500;
let origin = performance.now();

function is_shown(entry) {
  return entry.textContent.toLowerCase().includes($("filter").value.trim().toLowerCase());
}

// True for JSON with numbers that JavaScript cannot represent: such text is shown unparsed.
const inexact = (text) => /\d{16}|\d[eE]|\.\d{16}/.test(text);

function show(direction, message, text, about) {
  const bad = message.error || (message.result && message.result.isError);
  const entry = make("details", { class: direction + (bad ? " bad" : "") },
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

// Sends a request and returns { id, answer }, where `answer` is a promise. `progressed` is called
// with the params of each progress notification.
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

// A server does not answer a cancelled request, so the promise is rejected here.
function cancel(id) {
  const pending = waiting.get(id);
  if (!pending) return;
  waiting.delete(id);
  send({ method: "notifications/cancelled", params: { requestId: id, reason: "by the user" } });
  pending.reject({ message: "cancelled" });
}

// --- forms made from schemas ------------------------------------------------------------
// A field is { node, value() }; value() returns undefined if the user entered nothing. A form helps
// to write arguments and does not validate them: as JSON, any arguments can be sent.
const DEEPEST = 6;
let fields_made = 0;

// Resolves references within `root` and reduces "this type or null" to the type.
function settle(schema, root) {
  if (typeof schema !== "object" || schema === null) return {};
  for (let i = 0; i < 16; i++) {
    if (typeof schema.$ref === "string" && schema.$ref.startsWith("#")) {
      const { $ref, ...beside } = schema;
      const found = $ref.slice(1).split("/").slice(1).reduce((at, step) => at
        && at[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")], root);
      schema = { ...(typeof found === "object" ? found : {}), ...beside };
      continue;
    }
    const list = schema.anyOf || schema.oneOf;
    const rest = list && list.filter((part) => part.type !== "null");
    if (!rest || rest.length !== 1 || rest.length === list.length) break;
    const { anyOf, oneOf, ...beside } = schema;
    schema = { ...rest[0], ...beside };
  }
  return schema;
}

function kind_of(schema) {
  const kind = Array.isArray(schema.type) ? schema.type.find((t) => t !== "null") : schema.type;
  if (kind !== undefined) return kind;
  return schema.properties ? "object" : schema.items ? "array" : undefined;
}

// The values of an enumeration, as a list of { value, text }; undefined for other schemas.
function choices_of(schema) {
  if (Object.hasOwn(schema, "const")) return [{ value: schema.const, text: text_of(schema.const) }];
  if (Array.isArray(schema.enum)) {
    return schema.enum.map((value, i) =>
      ({ value, text: (schema.enumNames && schema.enumNames[i]) || text_of(value) }));
  }
  const list = schema.oneOf || schema.anyOf;
  if (!list || !list.every((part) => Object.hasOwn(part, "const"))) return undefined;
  return list.map((part) => ({ value: part.const, text: part.title || text_of(part.const) }));
}

const text_of = (value) => typeof value === "string" ? value : JSON.stringify(value);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function labelled(name, schema, needed, input, value) {
  const about = schema.description;
  input.id = "field-" + ++fields_made;
  input.name = name;
  if (about) input.setAttribute("aria-describedby", input.id + "-about");
  return { value, node: make("div", { class: "field" + (needed ? " needed" : "") },
    make("label", { for: input.id, text: schema.title || name }), input,
    about ? make("small", { id: input.id + "-about", text: about }) : null) };
}

function choice_field(name, schema, needed, choices) {
  const input = make("select", {}, needed && schema.default === undefined && choices.length === 1
    ? null : make("option", { value: "", text: "" }),
    ...choices.map((choice, i) => make("option", { value: i, text: choice.text })));
  input.required = needed;
  const preset = choices.findIndex((choice) => same(choice.value, schema.default));
  if (preset >= 0) input.value = preset;
  return labelled(name, schema, needed, input, () =>
    input.value === "" ? undefined : choices[Number(input.value)].value);
}

function boolean_field(name, schema, needed) {
  if (!needed && typeof schema.default !== "boolean") {
    return choice_field(name, schema, false,
      [{ value: true, text: "true" }, { value: false, text: "false" }]);
  }
  const input = make("input", { type: "checkbox" });
  input.checked = schema.default === true;
  return labelled(name, schema, needed, input, () => input.checked);
}

function number_field(name, schema, needed, whole) {
  const input = make("input", { type: "number", step: whole ? 1 : "any",
    min: schema.minimum !== undefined || !whole || schema.exclusiveMinimum === undefined
      ? schema.minimum : schema.exclusiveMinimum + 1,
    max: schema.maximum !== undefined || !whole || schema.exclusiveMaximum === undefined
      ? schema.maximum : schema.exclusiveMaximum - 1, value: schema.default });
  const from = input.min === "" ? "" : "≥ " + input.min, to = input.max === "" ? "" : "≤ "
    + input.max;
  input.placeholder = [from, to].filter(Boolean).join(", ");
  input.required = needed;
  return labelled(name, schema, needed, input, () =>
    input.value === "" ? undefined : Number(input.value));
}

const KINDS = { email: "email", uri: "url", date: "date" };

function string_field(name, schema, needed) {
  const short = schema.format || schema.pattern || schema.maxLength <= 100;
  const input = short ? make("input", { type: KINDS[schema.format] || "text",
    placeholder: schema.format === "date-time" ? "2030-12-31T23:59:59Z" : schema.pattern })
    : make("textarea", { rows: 1, title: "Shift and Enter: a new line" });
  if (schema.default !== undefined) input.value = text_of(schema.default);
  if (schema.minLength > 0) input.minLength = schema.minLength;
  if (schema.maxLength >= 0) input.maxLength = schema.maxLength;
  // An empty string is a valid value unless minLength forbids it.
  input.required = needed && schema.minLength > 0;
  return labelled(name, schema, needed, input, () =>
    input.value === "" && !needed ? undefined : input.value);
}

function parse(text, name) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw { message: name + ": " + error.message };
  }
}

function json_field(name, schema, needed) {
  const input = make("textarea", { class: "json", rows: 2, placeholder: "JSON" });
  if (schema.default !== undefined) input.value = pretty(schema.default);
  input.required = needed;
  return labelled(name, schema, needed, input, () =>
    input.value.trim() === "" ? undefined : parse(input.value, name));
}

// The members of an optional object are enabled by its checkbox.
function object_field(name, schema, needed, root, depth) {
  const inner = fields(schema, root, depth + 1);
  const wanted = make("input", { type: "checkbox" });
  wanted.checked = needed || schema.default !== undefined;
  const node = make("fieldset", {}, make("legend", {}, needed ? schema.title || name
    : make("label", {}, wanted, " " + (schema.title || name))),
    schema.description ? make("small", { text: schema.description }) : null, ...inner.nodes);
  const enable = () => { node.disabled = !wanted.checked; };
  wanted.addEventListener("change", enable);
  enable();
  return { node, value: () => wanted.checked ? inner.value() : undefined };
}

function several_field(name, schema, needed, choices) {
  const preset = schema.default || [];
  const boxes = choices.map((choice) => {
    const box = make("input", { type: "checkbox", name });
    box.checked = preset.some((value) => same(value, choice.value));
    return { box, choice };
  });
  const node = make("fieldset", {}, make("legend", { text: schema.title || name }),
    schema.description ? make("small", { text: schema.description }) : null,
    ...boxes.map(({ box, choice }) => make("label", { class: "inline" }, box, " " + choice.text)));
  return { node, value: () => {
    const given = boxes.filter(({ box }) => box.checked).map(({ choice }) => choice.value);
    return given.length > 0 || needed ? given : undefined;
  } };
}

function array_field(name, schema, needed, root, depth) {
  const of = settle(schema.items, root), choices = choices_of(of);
  if (choices) return several_field(name, schema, needed, choices);
  const items = [], list = make("div");
  const full = () => { more.disabled = items.length >= schema.maxItems; };
  const add = (preset) => {
    const label = (schema.title || name) + " " + (items.length + 1);
    const item = field(label, preset === undefined ? of : { ...of, default: preset }, true, root,
      depth + 1);
    const row = make("div", { class: "item" }, item.node, make("button", { type: "button",
      class: "quiet", "aria-label": "Remove " + label, text: "×", onclick: () => {
        items.splice(items.indexOf(item), 1);
        row.remove();
        full();
        more.focus();
      } }));
    items.push(item);
    list.append(row);
    full();
    return row;
  };
  const more = make("button", { type: "button", class: "quiet", text: "Add", "aria-label":
    "Add to " + (schema.title || name), onclick: () => {
    const first = add().querySelector("input, select, textarea");
    if (first) first.focus();
  } });
  if (Array.isArray(schema.default)) schema.default.forEach(add);
  else if (needed) for (let i = 0; i < Math.min(schema.minItems || 0, 20); i++) add();
  return { node: make("fieldset", {}, make("legend", { text: schema.title || name }),
    schema.description ? make("small", { text: schema.description }) : null, list, more),
    value: () => items.length > 0 || needed ? items.map((item) => item.value()) : undefined };
}

function field(name, given, needed, root, depth) {
  const schema = settle(given, root), kind = kind_of(schema), choices = choices_of(schema);
  if (depth > DEEPEST) return json_field(name, schema, needed);
  if (choices) return choice_field(name, schema, needed, choices);
  if (kind === "boolean") return boolean_field(name, schema, needed);
  if (kind === "number") return number_field(name, schema, needed, false);
  if (kind === "integer") return number_field(name, schema, needed, true);
  if (kind === "string") return string_field(name, schema, needed);
  if (kind === "object" && schema.properties) {
    return object_field(name, schema, needed, root, depth);
  }
  if (kind === "array" && schema.items) return array_field(name, schema, needed, root, depth);
  return json_field(name, schema, needed);
}

function fields(given, root, depth) {
  const schema = settle(given, root), needed = new Set(schema.required || []);
  const list = Object.entries(schema.properties || {}).map(([name, member]) =>
    [name, field(name, member, needed.has(name), root, depth)]);
  // Not by assignment: a property may be named __proto__.
  return { nodes: list.map(([, made]) => made.node), value: () => Object.fromEntries(
    list.map(([name, made]) => [name, made.value()]).filter(([, value]) => value !== undefined)) };
}

// Enter submits from a text area too, as it does from a one-line input.
function on_enter(event) {
  if (event.key !== "Enter" || event.target.tagName !== "TEXTAREA" || event.isComposing) return;
  const json = event.target.classList.contains("json");
  if (json ? event.ctrlKey || event.metaKey : !event.shiftKey) {
    event.preventDefault();
    event.currentTarget.requestSubmit();
  }
}

// A form with a button. `run(values, call)` returns the nodes to show below it. `call` sends a
// request that shows its progress and has a Cancel button.
function form(schema, label, run, more) {
  const inner = fields(schema, schema, 0);
  const results = make("div", { class: "results", "aria-live": "polite" });
  const body = make("div", {}, ...inner.nodes);
  const text = make("textarea", { class: "json", rows: 6, "aria-label": "arguments as JSON" });
  const as_json = make("input", { type: "checkbox", onchange: () => {
    if (as_json.checked) {
      try { text.value = pretty(inner.value()); } catch (error) { text.value = "{}"; }
    }
    body.replaceChildren(...(as_json.checked ? [text] : inner.nodes));
  } });
  const node = make("form", { onkeydown: on_enter, onsubmit: async (event) => {
    event.preventDefault();
    const stop = make("button", { type: "button", class: "quiet", text: "Cancel" });
    const bar = make("progress", {}), said = make("span", {});
    const begun = performance.now();
    const call = (method, params) => {
      const { id, answer } = start(method, params, (progress) => {
        if (progress.total > 0) {
          bar.max = progress.total;
          bar.value = progress.progress;
        }
        said.textContent = progress.message || progress.progress
          + (progress.total === undefined ? "" : " of " + progress.total);
      });
      stop.onclick = () => cancel(id);
      return answer;
    };
    call.say = (words) => { said.textContent = words; };
    results.replaceChildren(make("div", { class: "running" }, bar, said, stop));
    let nodes;
    try {
      nodes = await run(as_json.checked ? parse(text.value, "arguments") : inner.value(), call);
    } catch (error) {
      nodes = [failure(error)];
    }
    results.replaceChildren(...nodes, make("small", { class: "took",
      text: (performance.now() - begun).toFixed(0) + " ms" }));
  } }, body, make("div", { class: "row" }, make("button", { text: label }), inner.nodes.length > 0
    ? make("label", { class: "inline" }, as_json, " as JSON") : null, ...(more || [])), results);
  return node;
}

// Shows completions from the server, if it supports them, below the input being edited.
function complete(node, ref) {
  for (const input of node.querySelectorAll(".field input, .field textarea")) {
    const proposals = make("div", { class: "proposals" });
    let latest = 0;
    input.after(proposals);
    input.addEventListener("input", async () => {
      const mine = ++latest;
      if (!server.capabilities.completions) return;
      const context = Object.fromEntries([...node.querySelectorAll(".field [name]")]
        .filter((other) => other !== input && other.value !== "")
        .map((other) => [other.name, other.value]));
      try {
        const given = await request("completion/complete", { ref, argument: { name: input.name,
          value: input.value }, context: { arguments: context } });
        if (mine !== latest) return;
        proposals.replaceChildren(...given.completion.values.slice(0, 20).map((value) =>
          make("button", { type: "button", class: "quiet", text: value, onclick: () => {
            input.value = value;
            proposals.replaceChildren();
            input.focus();
          } })));
      } catch (error) {
        proposals.replaceChildren();
      }
    });
  }
}

// --- results ---------------------------------------------------------------------
function failure(error) {
  const node = make("div", {}, make("pre", { class: "bad", role: "alert",
    text: (error.code === undefined ? "" : error.code + ": ") + error.message
      + (error.data === undefined ? "" : "\n" + pretty(error.data)) }));
  // URLs that the user has to visit before the call can succeed (-32042).
  for (const elicitation of error.data && error.data.elicitations || []) {
    const to = address(elicitation.url);
    node.append(...to.nodes);
    if (to.open) node.append(make("button", { type: "button", text: "Open", onclick: to.open }));
  }
  return node;
}

const data_url = (block) => "data:" + block.mimeType + ";base64," + block.data;

function text_node(text) {
  // JSON is indented, unless parsing would change its numbers.
  if (/^\s*[[{]/.test(text) && !inexact(text)) {
    try { return make("pre", { text: pretty(JSON.parse(text)) }); } catch (error) { /* is text */ }
  }
  return make("pre", { text });
}

function contents(resource) {
  const type = resource.mimeType || "";
  const title = make("small", { text: resource.uri + (type ? " · " + type : "") });
  const body = resource.text !== undefined ? text_node(resource.text)
    : /^(image|audio)\//.test(type) ? content({ type: type.split("/")[0], data: resource.blob,
      mimeType: type }) : make("pre", { text: atob(resource.blob).length + " bytes\n"
      + resource.blob.slice(0, 2000) });
  return make("div", {}, title, body);
}

function content(block) {
  if (block.type === "text") return text_node(block.text);
  if (block.type === "image") {
    return make("img", { src: data_url(block), alt: "a picture, " + block.mimeType });
  }
  if (block.type === "audio") return make("audio", { controls: "", src: data_url(block) });
  if (block.type === "resource") return contents(block.resource);
  if (block.type === "resource_link") {
    const below = make("div");
    return make("div", { class: "link" }, make("code", { text: block.uri }), make("span",
      { text: " " + (block.title || block.name || "") + " " }), make("button", { type: "button",
      class: "quiet", text: "Read", onclick: async () => {
        try {
          below.replaceChildren(...resource_result(await request("resources/read",
            { uri: block.uri })));
        } catch (error) {
          below.replaceChildren(failure(error));
        }
      } }), below);
  }
  return make("pre", { text: pretty(block) });
}

function tool_result(result) {
  const nodes = (result.content || []).map(content);
  if (result.isError) {
    nodes.forEach((node) => node.classList.add("bad"));
    nodes.unshift(make("small", { class: "bad", text: "the tool reported an error" }));
  }
  const structured = result.structuredContent;
  // Servers repeat the structured content as text for older clients: show it once.
  const again = (result.content || []).length === 1 && result.content[0].type === "text"
    && result.content[0].text === JSON.stringify(structured);
  if (structured !== undefined && !again) {
    nodes.push(make("small", { text: "structured" }), make("pre", { text: pretty(structured) }));
  }
  return nodes.length > 0 ? nodes : [make("small", { text: "nothing came back" })];
}

const resource_result = (result) => result.contents.map(contents);

function prompt_message(message) {
  return make("div", { class: "message" }, make("b", { text: message.role }),
    ...(Array.isArray(message.content) ? message.content : [message.content]).map(content));
}

// --- questions from the server ---------------------------------------------------------
const questions = new Map();

// Shows a dialog and resolves to { action, content? }. The function in `questions` cancels it.
function open_dialog(id, title, nodes, inner, accept) {
  return new Promise((resolve) => {
    const close = (given) => {
      questions.delete(id);
      dialog.close();
      dialog.remove();
      resolve(given);
    };
    const problem = make("p", { class: "bad", role: "alert" });
    const heading = make("h2", { id: "question-" + id, text: title });
    const dialog = make("dialog", { "aria-labelledby": heading.id, oncancel: (event) => {
      event.preventDefault();
      close({ action: "cancel" });
    } }, make("form", { onkeydown: on_enter, onsubmit: (event) => {
      event.preventDefault();
      try {
        close(accept());
      } catch (error) {
        problem.textContent = error.message;
      }
    } }, heading, ...nodes, ...inner, problem, make("div", { class: "row" },
      make("button", { text: "Accept" }),
      make("button", { type: "button", class: "quiet", text: "Decline",
        onclick: () => close({ action: "decline" }) }),
      make("button", { type: "button", class: "quiet", text: "Cancel",
        onclick: () => close({ action: "cancel" }) }))));
    questions.set(id, () => close({ action: "cancel" }));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function ask(id, title, nodes, schema) {
  const inner = fields(schema, schema, 0);
  return open_dialog(id, title, nodes, inner.nodes, () =>
    ({ action: "accept", content: inner.value() }));
}

// A URL that the server asks the user to open: it is shown in full, and only http(s) is opened.
function address(text) {
  let url;
  try { url = new URL(text); } catch (error) { url = null; }
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    return { nodes: [make("pre", { class: "bad", text: "not an http(s) URL, not opened: " + text })] };
  }
  return { nodes: [make("p", {}, "at ", make("strong", { text: url.host })),
    make("pre", { text })], open: () => window.open(url.href, "_blank", "noopener,noreferrer") };
}

function ask_url(params, id) {
  const to = address(params.url);
  return open_dialog(id, "The server asks you to open a URL", [make("pre", { text: params.message }),
    ...to.nodes], [], () => {
    if (!to.open) throw { message: "this URL cannot be opened" };
    to.open();
    return { action: "accept" };
  });
}

// --- requests from the server --------------------------------------------------
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
    for (const node of $("resources").children) {
      if (node.dataset.name === params.uri && node.open) node.querySelector("form").requestSubmit();
    }
  },
  "notifications/elicitation/complete": (params) =>
    log("notice", "completed in the browser: " + params.elicitationId),
  "notifications/tools/list_changed": () => lists.tools(),
  "notifications/resources/list_changed": () => lists.resources(),
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
  for (const pending of waiting.values()) pending.reject({ message: "the connection is closed" });
  waiting.clear();
  abandoned.clear();
}

// --- lists ------------------------------------------------------------------------
// Requests all pages of a list, at most PAGES: a server may return cursors without end.
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

// Shows a list. An unchanged entry keeps its node, and with it the text in its form.
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
  const nodes = [...now.values()].map((kept) => kept.node);
  // Moving a node would take the focus from an input inside it.
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

function resource_entry(resource) {
  const subscribed = make("input", { type: "checkbox", onchange: (event) => request(
    event.target.checked ? "resources/subscribe" : "resources/unsubscribe", { uri: resource.uri })
    .catch((error) => {
      event.target.checked = !event.target.checked;
      log("error", error.message);
    }) });
  const can = server.capabilities.resources.subscribe;
  return entry(resource.uri, resource.title || resource.name, resource.description, form({}, "Read",
    async (given, call) => resource_result(await call("resources/read", { uri: resource.uri })),
    [can ? make("label", { class: "inline" }, subscribed, " notify me of changes") : null]));
}

// Operators of URI templates (RFC 6570): the prefix, the separator, and whether reserved characters
// are left unencoded.
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

function template_entry(template) {
  const properties = [...template.uriTemplate.matchAll(EXPRESSION)].flatMap((found) =>
    names_in(found[2])).map((name) => [name, { type: "string" }]);
  const inner = form({ properties: Object.fromEntries(properties) }, "Read", async (given, call) =>
    resource_result(await call("resources/read", { uri: expand(template.uriTemplate, given) })));
  complete(inner, { type: "ref/resource", uri: template.uriTemplate });
  return entry(template.uriTemplate, template.title || template.name, template.description, inner);
}

function prompt_entry(prompt) {
  const list = prompt.arguments || [];
  const inner = form({ required: list.filter((a) => a.required).map((a) => a.name), properties:
    Object.fromEntries(list.map((a) => [a.name, { type: "string", title: a.title,
      description: a.description }])) }, "Get", async (given, call) =>
    (await call("prompts/get", { name: prompt.name, arguments: given })).messages
      .map(prompt_message));
  complete(inner, { type: "ref/prompt", name: prompt.name });
  return entry(prompt.name, prompt.title, prompt.description, inner);
}

const lists = {
  tools: () => fill("tools", async () => (await all("tools/list", "tools")).map((tool) =>
    ({ name: tool.name, of: tool, build: () => tool_entry(tool) }))),
  resources: () => fill("resources", async () => [
    ...(await all("resources/list", "resources")).map((resource) =>
      ({ name: resource.uri, of: resource, build: () => resource_entry(resource) })),
    ...(await all("resources/templates/list", "resourceTemplates")).map((template) =>
      ({ name: template.uriTemplate, of: template, build: () => template_entry(template) })),
  ]),
  prompts: () => fill("prompts", async () => (await all("prompts/list", "prompts")).map((prompt) =>
    ({ name: prompt.name, of: prompt, build: () => prompt_entry(prompt) }))),
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
