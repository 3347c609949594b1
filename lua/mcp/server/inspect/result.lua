-- SPDX-License-Identifier: MIT
-- inspect.result: the part of the page's script that shows what came back.
return [==[
// --- what came back ---------------------------------------------------------------------
function failure(error) {
  const node = make("div", {}, make("pre", { class: "bad", role: "alert",
    text: (error.code === undefined ? "" : error.code + ": ") + error.message
      + (error.data === undefined ? "" : "\n" + pretty(error.data)) }));
  // Something has to be done elsewhere first (-32042).
  for (const one of error.data && error.data.elicitations || []) {
    const to = address(one.url);
    node.append(...to.nodes);
    if (to.open) node.append(make("button", { type: "button", text: "Open", onclick: to.open }));
  }
  return node;
}

const data_url = (one) => "data:" + one.mimeType + ";base64," + one.data;

function text_node(text) {
  // JSON is shown so that it can be read; numbers that would change stay as they are.
  if (/^\s*[[{]/.test(text) && !inexact(text)) {
    try { return make("pre", { text: pretty(JSON.parse(text)) }); } catch (error) { /* is text */ }
  }
  return make("pre", { text });
}

function contents(one) {
  const title = make("small", { text: one.uri + (one.mimeType ? " · " + one.mimeType : "") });
  const type = one.mimeType || "";
  const body = one.text !== undefined ? text_node(one.text)
    : /^(image|audio)\//.test(type) ? content({ type: type.split("/")[0], data: one.blob,
      mimeType: type }) : make("pre", { text: atob(one.blob).length + " bytes\n"
      + one.blob.slice(0, 2000) });
  return make("div", {}, title, body);
}

function content(one) {
  if (one.type === "text") return text_node(one.text);
  if (one.type === "image") {
    return make("img", { src: data_url(one), alt: "a picture, " + one.mimeType });
  }
  if (one.type === "audio") return make("audio", { controls: "", src: data_url(one) });
  if (one.type === "resource") return contents(one.resource);
  if (one.type === "resource_link") {
    const below = make("div");
    return make("div", { class: "link" }, make("code", { text: one.uri }), make("span",
      { text: " " + (one.title || one.name || "") + " " }), make("button", { type: "button",
      class: "quiet", text: "Read", onclick: async () => {
        try {
          below.replaceChildren(...resource_result(await request("resources/read",
            { uri: one.uri })));
        } catch (error) {
          below.replaceChildren(failure(error));
        }
      } }), below);
  }
  return make("pre", { text: pretty(one) });
}

function tool_result(result) {
  const nodes = (result.content || []).map(content);
  if (result.isError) {
    nodes.forEach((node) => node.classList.add("bad"));
    nodes.unshift(make("small", { class: "bad", text: "the tool says that it failed" }));
  }
  const structured = result.structuredContent;
  // The same once more, as text, is what old clients read.
  const again = (result.content || []).length === 1 && result.content[0].type === "text"
    && result.content[0].text === JSON.stringify(structured);
  if (structured !== undefined && !again) {
    nodes.push(make("small", { text: "structured" }), make("pre", { text: pretty(structured) }));
  }
  return nodes.length > 0 ? nodes : [make("small", { text: "nothing came back" })];
}

const resource_result = (result) => result.contents.map(contents);

function prompt_message(one) {
  return make("div", { class: "message" }, make("b", { text: one.role }),
    ...(Array.isArray(one.content) ? one.content : [one.content]).map(content));
}
]==]
