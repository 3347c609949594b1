// SPDX-License-Identifier: MIT
// requests: what the page of an app may ask for, and what is done about it. What is not in these
// tables is refused: a page does not reach the server's other methods.

// A file that a page hands to the user may have so many characters.
const LARGEST_FILE = 20e6;

const refuse = (message) => { throw { code: REFUSED, message }; };

// Params for the server: the page's own progress token stays with the page, and what describes a
// connection is not for it to say.
function forwarded(params) {
  const { _meta, ...rest } = params;
  const meta = is_object(_meta) ? Object.fromEntries(Object.entries(_meta).filter(([name]) =>
    name !== "progressToken" && !name.startsWith("io.modelcontextprotocol/"))) : {};
  return Object.keys(meta).length > 0 ? { ...rest, _meta: meta } : rest;
}

// Sends a request of a page to the server that the page came from, with an id and a progress token
// of ours.
function forward(bridge, method, params, flight) {
  const token = is_object(params._meta) ? params._meta.progressToken : undefined;
  const { id, answer } = start(method, forwarded(params), is_id(token) ? (progress) =>
    bridge.notify("notifications/progress", { ...progress, progressToken: token }) : undefined,
  "for the page of " + bridge.view.name);
  flight.cancel = () => cancel(id);
  return answer;
}

async function call_tool(bridge, params, flight) {
  const tool = catalog.tools.get(params.name), view = bridge.view;
  if (!tool) {
    throw { code: WRONG_PARAMS, message: "this server has no tool " + text_of(params.name) };
  }
  if (!visible_to(tool, "app")) {
    refuse("the tool " + tool.name + " is not for pages: its visibility lacks \"app\"");
  }
  if (!is_object(tool.annotations) || tool.annotations.readOnlyHint !== true) {
    await view.consent.ask("Call the tool " + tool.name + "?",
      [make("pre", { text: pretty(params.arguments || {}) })], "tool " + tool.name);
  }
  return forward(bridge, "tools/call", params, flight);
}

async function list_tools(bridge, params, flight) {
  const list = await forward(bridge, "tools/list", params, flight);
  return { ...list, tools: list.tools.filter((tool) => visible_to(tool, "app")) };
}

async function open_link(bridge, params) {
  const to = address(params.url);
  if (!to.open) refuse("not an http(s) URL: " + text_of(params.url));
  await bridge.view.consent.ask("Open a link?", to.nodes);
  to.open();
  return {};
}

async function say_to_model(bridge, params) {
  const blocks = Array.isArray(params.content) ? params.content : [params.content];
  if (params.role !== "user" || !blocks.every(is_object)) {
    throw { code: WRONG_PARAMS, message: "expected role \"user\" and a list of content" };
  }
  await bridge.view.consent.ask("Send this message to the model?", blocks.map(content), "message");
  bridge.view.said(make("div", { class: "message" }, make("b", { text: "user" }),
    ...blocks.map(content)));
  return {};
}

// --- files ---

// The last segment of a URI, without anything that a file system would take for a path.
function file_name(uri) {
  let name = String(uri).split(/[?#]/)[0].split("/").pop();
  try { name = decodeURIComponent(name); } catch (error) { /* as it is */ }
  return name.replace(/[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?"<>|]/g, "_")
    .replace(/^[.\s]+/, "").slice(-100) || "download";
}

async function file_of(bridge, block, flight) {
  if (block.type === "resource" && is_object(block.resource)) return block.resource;
  if (block.type !== "resource_link") throw { code: WRONG_PARAMS, message: "expected resources" };
  // From its own server only: an address of the web would be fetched in the user's name.
  if (/^\w+:\/\//.test(block.uri) && /^(https?|wss?|ftp):/i.test(block.uri)) {
    refuse("a link to the web is not downloaded: " + block.uri);
  }
  const answer = await forward(bridge, "resources/read", { uri: block.uri }, flight);
  return answer.contents[0] || refuse("nothing is at " + block.uri);
}

function save(file) {
  const bytes = typeof file.text === "string" ? file.text
    : Uint8Array.from(atob(file.blob), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  make("a", { href: url, download: file_name(file.uri) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

async function download(bridge, params, flight) {
  const blocks = Array.isArray(params.contents) ? params.contents.filter(is_object) : [];
  if (blocks.length === 0 || blocks.length > 10) {
    throw { code: WRONG_PARAMS, message: "contents: expected one to ten resources" };
  }
  const files = [];
  for (const block of blocks) files.push(await file_of(bridge, block, flight));
  const sizes = files.map((file) => (typeof file.text === "string" ? file.text
    : typeof file.blob === "string" ? file.blob : refuse("a file without text or blob")).length);
  if (sizes.some((size) => size > LARGEST_FILE)) refuse("the file is too large");
  await bridge.view.consent.ask("Save " + (files.length === 1 ? "a file?" : "files?"),
    files.map((file, i) => make("p", {}, make("code", { text: file_name(file.uri) }),
      make("small", { text: " · " + sizes[i] + " characters" }))));
  files.forEach(save);
  return {};
}

// --- the tables ---

const VIEW_REQUESTS = {
  "ui/initialize": (bridge, params) => bridge.view.initialize(params),
  "ping": () => ({}),
  "tools/call": call_tool,
  "tools/list": list_tools,
  "ui/open-link": open_link,
  "ui/message": say_to_model,
  "ui/download-file": download,
  "ui/update-model-context": (bridge, params) => {
    bridge.view.set_context(params);
    return {};
  },
  "ui/request-display-mode": (bridge, params) => {
    bridge.view.set_mode(params.mode);
    return { mode: bridge.view.mode };
  },
};
for (const method of ["resources/read", "resources/list", "resources/templates/list",
  "prompts/list"]) {
  VIEW_REQUESTS[method] = (bridge, params, flight) => forward(bridge, method, params, flight);
}

const VIEW_NOTICES = {
  "ui/notifications/size-changed": (view, params) => view.set_size(params),
  "ui/notifications/request-teardown": (view) => view.close("at the page's own request"),
  "notifications/message": (view, params) => log([...$("level").options].some((option) =>
    option.value === params.level) ? params.level : "info",
  "page of " + view.name + ": " + String(text_of(params.data)).slice(0, 2000)),
};

function serve_view(bridge, method, params, flight) {
  if (!Object.hasOwn(VIEW_REQUESTS, method)) {
    throw { code: UNKNOWN, message: "Method not found: " + method };
  }
  return VIEW_REQUESTS[method](bridge, params, flight);
}
