// SPDX-License-Identifier: MIT
// resource: the page of a tool: which one it is, and its text as the server gives it.

const APP_MIME = "text/html;profile=mcp-app";
const APPS = "io.modelcontextprotocol/ui";

const is_object = (given) =>
  given !== null && typeof given === "object" && !Array.isArray(given);

const ui_of = (thing) => is_object(thing._meta) && is_object(thing._meta.ui) ? thing._meta.ui : {};

// The address of a tool's page, or undefined. The flat key is the older form.
function page_uri(tool) {
  const nested = ui_of(tool).resourceUri;
  return nested !== undefined ? nested : is_object(tool._meta)
    ? tool._meta["ui/resourceUri"] : undefined;
}

// May "model" or "app", the pages of the server, call a tool?
function visible_to(tool, caller) {
  const { visibility } = ui_of(tool);
  return Array.isArray(visibility) ? visibility.includes(caller) : true;
}

// What is wrong with the declaration of a tool's page.
function tool_notes(tool) {
  const ui = ui_of(tool), uri = page_uri(tool), notes = [];
  if (uri !== undefined && (typeof uri !== "string" || !uri.startsWith("ui://"))) {
    notes.push("the address of the page must begin with ui://, got " + text_of(uri));
  }
  if (ui.visibility !== undefined && (!Array.isArray(ui.visibility) || ui.visibility.length === 0
    || ui.visibility.some((word) => word !== "model" && word !== "app"))) {
    notes.push("visibility: expected a list of \"model\" and \"app\", got "
      + text_of(ui.visibility));
  }
  for (const member of ["csp", "permissions", "domain", "prefersBorder"]) {
    if (ui[member] !== undefined) notes.push(member + " has no effect on a tool: it belongs to the "
      + "resource of the page");
  }
  return notes;
}

function decoded(blob) {
  const bytes = Uint8Array.from(atob(blob), (c) => c.charCodeAt(0));
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

// Reads a page: { html, ui, notes }. Throws { message } where there is nothing to show.
async function read_page(uri) {
  const answer = await request("resources/read", { uri });
  const list = Array.isArray(answer.contents) ? answer.contents.filter(is_object) : [];
  const found = list.find((each) => each.uri === uri) || list[0], notes = [];
  if (!found) throw { message: "the server gave no contents for " + uri };
  if (found.mimeType !== APP_MIME) {
    notes.push("the type of the page must be " + APP_MIME + ", got "
      + (found.mimeType === undefined ? "none" : text_of(found.mimeType)));
  }
  let html = found.text;
  if (typeof html !== "string") {
    if (typeof found.blob !== "string") throw { message: "the page has neither text nor blob" };
    try {
      html = decoded(found.blob);
    } catch (error) {
      throw { message: "the page is not UTF-8 in Base64: " + error.message };
    }
  }
  if (html.trim() === "") throw { message: "the page is empty" };
  if (!/^\uFEFF?\s*(<!--[^]*?-->\s*)*<!doctype html/i.test(html)) {
    notes.push("the page does not begin with <!doctype html>");
  }
  // What the contents say wins as a whole over what the list says.
  const listed = catalog.resources.get(uri);
  const ui = is_object(found._meta) && is_object(found._meta.ui) ? found._meta.ui
    : listed ? ui_of(listed) : {};
  return { html, ui, notes };
}
