// The view kit: what a page of MCP Apps needs to talk with its host, without a library. It is one
// inline script, because the default policy of hosts allows nothing else. lua/mcp/ui/init.lua makes
// it smaller and puts it into pages: it relies on a semicolon after each statement, on strings in
// double quotes, and on comments that are lines of their own. At most 2048 bytes.
//
//   mcp.oninput(args), onpartial(args), onresult(result), oncancel(reason)   of the tool's call
//   mcp.oncontext(context), onclose(params), onmessage(method, params)       set by the page
//   mcp.input, mcp.result, mcp.context    what came last
//   mcp.call(tool, args)                  a promise of the result; an Error if the tool reports one
//   mcp.send(method, params), mcp.notify(method, params)    anything else
//   mcp.mode(name)                        asks for a display mode; a promise of the one there is
//   mcp.ready                             a promise of the context, when the host has answered
//   mcp.capabilities                      what the host learns: the page may add to it
const mcp = (() => {
  const waiting = new Map(), doc = document, root = doc.documentElement, N = "ui/notifications/";
  let last = 0;
  const post = (m) => parent.postMessage({ jsonrpc: "2.0", ...m }, "*");
  const kit = {
    capabilities: {},
    context: {},
    notify: (method, params = {}) => post({ method, params }),
    send: (method, params = {}) => new Promise((...ends) => {
      waiting.set(++last, ends);
      post({ id: last, method, params });
    }),
    call: async (name, args = {}) => {
      await kit.ready;
      return kit.send("tools/call", { name, arguments: args });
    },
    // A host may answer with another mode.
    mode: async (mode) => (await kit.ready).availableDisplayModes?.includes(mode)
      ? (await kit.send("ui/request-display-mode", { mode })).mode : kit.context.displayMode,
  };
  const dress = (c) => {
    Object.assign(kit.context, c);
    if (c.theme) root.dataset.theme = root.style.colorScheme = c.theme;
    const v = c.styles?.variables;
    for (const name in v) root.style.setProperty(name, v[name]);
    kit.oncontext?.(kit.context);
  };
  const heard = {
    [N + "tool-input"]: (p) => kit.oninput?.(kit.input = p.arguments ?? {}),
    [N + "tool-input-partial"]: (p) => kit.onpartial?.(p.arguments ?? {}),
    [N + "tool-result"]: (p) => kit.onresult?.(kit.result = p),
    [N + "tool-cancelled"]: (p) => kit.oncancel?.(p.reason),
    [N + "host-context-changed"]: dress,
  };
  // A page in an opaque origin knows its host by the window alone.
  addEventListener("message", async ({ source, data: m }) => {
    if (source != parent || m?.jsonrpc != "2.0") return;
    const { id, method, params: p = {}, error, result: r } = m;
    if (method == null) {
      const [yes, no] = waiting.get(id) ?? [];
      waiting.delete(id);
      // Some hosts refuse with an error, others with a result.
      if (error || r?.isError) no?.(Object.assign(Error(error?.message ?? r.content?.[0]?.text), m));
      else yes?.(r);
    } else if (id == null) {
      (heard[method] ?? kit.onmessage?.bind(0, method))?.(p);
    } else {
      const known = { ping() {}, "ui/resource-teardown": () => kit.onclose?.(p) }[method];
      try { await known?.(); } finally { post({ id, ...(known ? { result: {} } : { error: { code: -32601, message: "Unknown method" } }) }); }
    }
  });
  // The scripts of the page run first, and set their functions.
  kit.ready = new Promise((go) => doc.readyState == "loading" ? addEventListener("DOMContentLoaded", go) : go()).then(async () => {
    const r = await kit.send("ui/initialize", { protocolVersion: "2026-01-26", appInfo: { name: doc.title || "page", version: "1" }, appCapabilities: kit.capabilities });
    dress(r.hostContext ?? {});
    kit.notify(N + "initialized");
    // The width is the frame's, the height that of the content.
    new ResizeObserver(() => kit.notify(N + "size-changed", { width: root.offsetWidth, height: Math.ceil(root.getBoundingClientRect().height) })).observe(root);
    return kit.context;
  });
  return kit;
})();
