// SPDX-License-Identifier: MIT
// views: the pages that are open now, and what concerns all of them.

const APPS_VERSION = "2026-01-26";

// So many pages are open at once: each is a document with a process of its own in some browsers.
const MOST_VIEWS = 8;

// The origin of the proxy: of another site than this page, where there is one.
const PROXIES = meta("mcp-proxy").split(" ");
const proxy_origin = PROXIES.find((origin) => new URL(origin).hostname !== location.hostname)
  || PROXIES[0];

// The origins of this page that the proxy accepts, in its order, and which of them this is.
const HOSTS = meta("mcp-hosts").split(" ");
const host_at = HOSTS.indexOf(location.origin);

const views = new Set();

// What the lists of the server say of its tools and resources, by name and by URI.
const catalog = { tools: new Map(), resources: new Map() };

// Opens the page of a tool for one call, in `place`. Earlier pages there are closed, unless they
// are to be kept.
function open_view(tool, input, place, call_id) {
  for (const other of views) {
    if (other.node.parentElement === place && !other.keep.checked) other.close("another call");
  }
  const open = [...views].filter((view) => !view.bridge.is_over());
  if (open.length >= MOST_VIEWS) {
    (open.find((view) => !view.keep.checked) || open[0]).close("too many pages are open");
  }
  const view = new View(tool, input, call_id);
  place.prepend(view.node);
  view.node.scrollIntoView({ block: "nearest" });
  view.open();
  watch(view.uri);
  return view;
}

// A page that changes on the server is read and shown again.
const watched = new Set();
function watch(uri) {
  const has = server.capabilities.resources;
  if (!has || !has.subscribe || watched.has(uri)) return;
  watched.add(uri);
  request("resources/subscribe", { uri }).catch(() => watched.delete(uri));
}

function page_updated(uri) {
  for (const view of views) if (view.uri === uri) view.reload();
}

// Passes on that a list has changed, as hostCapabilities promises it.
function relay_changed(method) {
  for (const view of views) view.bridge.notify(method, {});
}

// Closes the pages below a node; resolves when all are gone.
const close_views = (reason, node) => Promise.all([...views].filter((view) =>
  !node || node.contains(view.node)).map((view) => view.close(reason)));

// Its window decides which page sent a message: the origin of the proxy is the same for all pages.
addEventListener("message", (event) => {
  if (event.origin !== proxy_origin) return;
  const view = event.source
    && [...views].find((each) => each.frame.contentWindow === event.source);
  if (view) view.bridge.receive(event.data);
});

prefers_dark.addEventListener("change", () => {
  for (const view of views) {
    view.lay_out();
    if (view.settings.theme === "") view.changed({ theme: theme_of("") });
  }
});

addEventListener("pagehide", () => close_views("the inspect page is left"));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  for (const view of views) if (view.mode === "fullscreen") view.set_mode("inline");
});
