// SPDX-License-Identifier: MIT
// fields: inputs for the members of a schema.
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
