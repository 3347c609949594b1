-- SPDX-License-Identifier: MIT
-- inspect.form: the part of the page's script that makes forms of JSON Schemas, and asks people
-- what the server wants to know. A form helps to write arguments; it is not who checks them, and as
-- JSON anything can be sent.
return [==[
// --- forms made of schemas ------------------------------------------------------------
// A field is { node, value() }; value() is undefined where nothing was given.
const DEEPEST = 6;
let fields_made = 0;

// Follows what stands for something else: references within `root`, and "this or null".
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
    const rest = list && list.filter((one) => one.type !== "null");
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

// What can be chosen: a list of { value, text }, or nothing.
function choices_of(schema) {
  if (Object.hasOwn(schema, "const")) return [{ value: schema.const, text: text_of(schema.const) }];
  if (Array.isArray(schema.enum)) {
    return schema.enum.map((value, i) =>
      ({ value, text: (schema.enumNames && schema.enumNames[i]) || text_of(value) }));
  }
  const list = schema.oneOf || schema.anyOf;
  if (!list || !list.every((one) => Object.hasOwn(one, "const"))) return undefined;
  return list.map((one) => ({ value: one.const, text: one.title || text_of(one.const) }));
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
  // Nothing is a string as well, where it may be that short.
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

// Members of an object that need not be there are asked for once it is wanted.
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
    const one = field(label, preset === undefined ? of : { ...of, default: preset }, true, root,
      depth + 1);
    const row = make("div", { class: "item" }, one.node, make("button", { type: "button",
      class: "quiet", "aria-label": "Remove " + label, text: "×", onclick: () => {
        items.splice(items.indexOf(one), 1);
        row.remove();
        full();
        more.focus();
      } }));
    items.push(one);
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
    value: () => items.length > 0 || needed ? items.map((one) => one.value()) : undefined };
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
  const list = Object.entries(schema.properties || {}).map(([name, one]) =>
    [name, field(name, one, needed.has(name), root, depth)]);
  // Not by assignment: a name may be __proto__.
  return { nodes: list.map(([, one]) => one.node), value: () => Object.fromEntries(
    list.map(([name, one]) => [name, one.value()]).filter(([, value]) => value !== undefined)) };
}

// Enter sends, as it does from a line of text.
function on_enter(event) {
  if (event.key !== "Enter" || event.target.tagName !== "TEXTAREA" || event.isComposing) return;
  const json = event.target.classList.contains("json");
  if (json ? event.ctrlKey || event.metaKey : !event.shiftKey) {
    event.preventDefault();
    event.currentTarget.requestSubmit();
  }
}

// A form with a button. `run(values, call)` gives what is shown below it; `call` sends a request
// whose progress is shown and which can be cancelled.
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

// Proposals for what is being typed, where the server has some.
function complete(node, ref) {
  for (const input of node.querySelectorAll(".field input, .field textarea")) {
    const proposals = make("div", { class: "proposals" });
    let latest = 0;
    input.after(proposals);
    input.addEventListener("input", async () => {
      const mine = ++latest;
      if (!server.capabilities.completions) return;
      const context = Object.fromEntries([...node.querySelectorAll(".field [name]")]
        .filter((one) => one !== input && one.value !== "").map((one) => [one.name, one.value]));
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

// --- questions of the server ---------------------------------------------------------
const questions = new Map();

// Shows a dialog; the answer is { action, content? }. Closed from outside it is cancelled.
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

// An address that somebody is sent to: all of it is shown, and only the web is opened.
function address(text) {
  let url;
  try { url = new URL(text); } catch (error) { url = null; }
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    return { nodes: [make("pre", { class: "bad", text: "not opened: " + text })] };
  }
  return { nodes: [make("p", {}, "at ", make("strong", { text: url.host })),
    make("pre", { text })], open: () => window.open(url.href, "_blank", "noopener,noreferrer") };
}

function ask_url(params, id) {
  const to = address(params.url);
  return open_dialog(id, "The server sends you somewhere", [make("pre", { text: params.message }),
    ...to.nodes], [], () => {
    if (!to.open) throw { message: "that is no address to open" };
    to.open();
    return { action: "accept" };
  });
}
]==]
