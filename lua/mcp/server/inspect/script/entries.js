// SPDX-License-Identifier: MIT
// entries: the lists of tools, resources and prompts.

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

// Puts `nodes` into `place`. One that stays is not moved: moving takes the focus from an input, and
// loads a frame again. The pages of apps in what goes away are closed first.
function arrange(place, nodes) {
  const stay = new Set(nodes);
  for (const node of place.children) {
    if (stay.has(node)) continue;
    node.hidden = true;
    delete node.dataset.name;
    close_views("its tool has changed", node).then(() => node.remove());
  }
  let at = place.firstElementChild;
  for (const node of nodes) {
    while (at && !stay.has(at)) at = at.nextElementSibling;
    if (at === node) at = at.nextElementSibling;
    else place.insertBefore(node, at);
  }
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
  arrange($(kind), nodes.length > 0 ? nodes : [make("p", { text: "none" })]);
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
  const uri = page_uri(tool), views_here = make("div", { class: "views" });
  const more = [
    uri === undefined ? null : make("small", { class: "hint app", text: "shows a page" }),
    visible_to(tool, "model") ? null : make("small", { class: "hint app", text: "for pages only" }),
    visible_to(tool, "app") ? null : make("small", { class: "hint", text: "not for pages" }),
    ...Object.keys(HINTS).filter((hint) => hints[hint]).map((hint) =>
      make("small", { class: "hint", text: HINTS[hint] })),
    support === "optional" || support === "required"
      ? make("label", { class: "inline" }, as_task, " as a task") : null,
    make("details", { class: "plain" }, make("summary", { text: "definition" }),
      make("pre", { text: pretty(tool) }))];
  const body = form(tool.inputSchema, "Call", async (given, call) => {
    const params = { name: tool.name, arguments: given };
    if (as_task.checked) params.task = {};
    const answer = call("tools/call", params);
    const view = uri === undefined ? undefined : open_view(tool, given, views_here, last);
    try {
      let result = await answer;
      if (result.task) {
        call.say("task " + result.task.taskId + ": " + result.task.status);
        result = await call("tasks/result", { taskId: result.task.taskId });
      }
      if (view) view.result(result);
      return tool_result(result);
    } catch (error) {
      if (view) view.cancelled(String(error.message));
      throw error;
    }
  }, more.filter(Boolean));
  // Above the result, which may be long: a frame out of sight does not say how large it wants to be.
  body.querySelector(".results").before(...tool_notes(tool).map((text) =>
    make("p", { class: "bad", text })), views_here);
  return entry(tool.name, tool.title || hints.title, tool.description, body);
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
  tools: () => fill("tools", async () => {
    const list = await all("tools/list", "tools");
    catalog.tools = new Map(list.map((tool) => [tool.name, tool]));
    return list.map((tool) => ({ name: tool.name, of: tool, build: () => tool_entry(tool) }));
  }),
  resources: () => fill("resources", async () => {
    const list = await all("resources/list", "resources");
    catalog.resources = new Map(list.map((resource) => [resource.uri, resource]));
    return list.map((resource) =>
      ({ name: resource.uri, of: resource, build: () => resource_entry(resource) })).concat(
      (await all("resources/templates/list", "resourceTemplates")).map((template) =>
        ({ name: template.uriTemplate, of: template, build: () => template_entry(template) })));
  }),
  prompts: () => fill("prompts", async () => (await all("prompts/list", "prompts")).map((prompt) =>
    ({ name: prompt.name, of: prompt, build: () => prompt_entry(prompt) }))),
};
