// SPDX-License-Identifier: MIT
// results: how results and failures of calls are shown.

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
