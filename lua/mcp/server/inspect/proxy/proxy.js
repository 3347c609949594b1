// SPDX-License-Identifier: MIT
// proxy: the frame between the inspect page and the page of a tool (MCP Apps, "sandbox proxy"). It
// has an origin of its own, where nothing else is, and passes messages on. It knows nothing of MCP.
"use strict";

const RESERVED = "ui/notifications/sandbox-";

// So many messages of the page in a second are an endless stream: its frame is removed.
const RATE = 200;

// What the frame of the page may have, whatever is asked for. With allow-same-origin it would reach
// this document; with allow-popups and allow-top-navigation it could leave the inspect page.
const SANDBOX = "allow-scripts allow-forms";

// Both spellings of the host's origin are in the document; the address says which of them it is.
const host = document.querySelector("meta[name=hosts]").content.split(" ")[
  Number(location.hash.slice(1))];
let frame, loads = 0, second = 0, count = 0;

const tell = (event, params) =>
  parent.postMessage({ jsonrpc: "2.0", method: RESERVED + event, params: params || {} }, host);

function remove(event) {
  frame.remove();
  frame = null;
  tell(event);
}

// The policy holds for this document as well, and its frame inherits it: nothing in the page undoes
// it, and it also decides where the page may navigate to.
function show_page({ html, policy, allow }) {
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = policy;
  document.head.append(meta);
  frame = document.createElement("iframe");
  frame.setAttribute("sandbox", SANDBOX);
  frame.setAttribute("allow", allow);
  frame.referrerPolicy = "no-referrer";
  frame.title = "the page of the tool";
  frame.srcdoc = html;
  // Another document in the frame is not the page of the tool.
  frame.addEventListener("load", () => { if (++loads > 1 && frame) remove("left"); });
  document.body.append(frame);
}

function is_flood() {
  const now = Math.floor(performance.now() / 1000);
  if (now !== second) [second, count] = [now, 0];
  return ++count > RATE;
}

const is_reserved = (message) => message !== null && typeof message === "object"
  && typeof message.method === "string" && message.method.startsWith(RESERVED);

addEventListener("message", ({ source, origin, data }) => {
  if (source === parent && origin === host) {
    if (!is_reserved(data)) {
      // The page has no origin that could be named as the target.
      if (frame) frame.contentWindow.postMessage(data, "*");
    } else if (data.method === RESERVED + "resource-ready" && loads === 0 && !frame) {
      show_page(data.params);
    }
  } else if (frame && source === frame.contentWindow) {
    if (is_flood()) remove("flooded");
    else if (!is_reserved(data)) parent.postMessage(data, host);
  }
});

tell("proxy-ready");
