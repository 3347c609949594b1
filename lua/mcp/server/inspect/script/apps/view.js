// SPDX-License-Identifier: MIT
// view: the page of a tool as it is shown: its frame with a visible edge, what is wrong with it,
// and the controls for what it learns of its surroundings.

const STATES = { loading: "reading the page", proxy: "opening the frame", page: "page loads",
  initialize: "greeting", ready: "ready", closing: "closing", gone: "closed" };
const MODE_NAMES = { inline: "Inline", fullscreen: "Full window", pip: "Small window" };

// The height of a page that has not said how high it is, and how high it may become.
const FIRST_HEIGHT = 150, LEAST_HEIGHT = 24, MOST_HEIGHT = 600;

const NOTES = 20;

class View {
  constructor(tool, input, call_id) {
    this.tool = tool;
    this.name = tool.name;
    this.input = input;
    this.call_id = call_id;
    this.uri = page_uri(tool);
    this.mode = "inline";
    this.declared = []; // the modes of the page
    this.local = false;
    this.features = [];
    this.settings = { theme: "", locale: navigator.language, width: 0, height: MOST_HEIGHT,
      fixed: false };
    this.consent = new Consent(tool.name);
    this.build();
    views.add(this);
  }

  // --- what is seen ---

  build() {
    this.state = make("small", { class: "state" });
    this.notes = make("ul", { class: "notes bad", role: "status" });
    this.box = make("div", { class: "frame" });
    this.keep = make("input", { type: "checkbox" });
    const button = (text, onclick) => make("button", { type: "button", class: "quiet", text,
      onclick });
    this.modes = MODES.map((mode) => {
      const node = button(MODE_NAMES[mode], () => this.set_mode(mode));
      node.dataset.mode = mode;
      return node;
    });
    this.policy = make("div");
    this.model = make("div");
    this.context = make("div");
    this.node = make("section", { class: "view", "data-view": this.name,
      "aria-label": "the page of " + this.name },
    make("div", { class: "bar" }, make("code", { text: text_of(this.uri) }), this.state,
      make("span", { class: "row" }, ...this.modes, make("label", { class: "inline seldom",
        title: "Another call of this tool does not close it" }, this.keep, " keep"),
      this.again = button("Reload", () => this.reload()), button("Close", () => this.close("by the user")))),
    this.notes, this.box,
    make("details", { class: "plain" }, make("summary", { text: "theme, size, locale" }),
      this.controls()),
    make("details", { class: "plain policy" }, make("summary", {}, "policy ",
        this.outside = make("small"),
      this.refused = make("small", { class: "bad" })), this.policy),
    make("details", { class: "plain model", hidden: "" }, make("summary", { text:
      "for the model" }), make("div", {}, this.model, this.context)));
    this.again.classList.add("seldom");
    this.watcher = new ResizeObserver(() => this.room_changed());
    this.watcher.observe(this.box);
    this.draw_mode();
  }

  controls() {
    const field = (text, input) => make("label", { class: "inline" }, text + " ", input);
    const changed = () => {
      this.settings = { theme: theme.value, locale: locale.value, width: Number(width.value),
        height: Math.max(Number(height.value), LEAST_HEIGHT), fixed: fixed.checked };
      this.lay_out();
      this.changed({ theme: theme_of(theme.value), locale: locale.value,
        containerDimensions: this.dimensions() });
    };
    const theme = make("select", { name: "theme", onchange: changed }, make("option", { value: "",
      text: "as the browser" }), make("option", { text: "light" }), make("option",
      { text: "dark" }));
    const locale = make("input", { name: "locale", value: this.settings.locale, size: 8,
      onchange: changed });
    const width = make("input", { name: "width", type: "number", min: 0, placeholder: "all",
      onchange: changed });
    const height = make("input", { name: "height", type: "number", min: LEAST_HEIGHT,
      value: MOST_HEIGHT, onchange: changed });
    const fixed = make("input", { name: "fixed", type: "checkbox", onchange: changed });
    return make("div", { class: "row controls" }, field("Theme", theme), field("Locale", locale),
      field("Width", width), field("Height up to", height),
      make("label", { class: "inline" }, fixed, " exactly"));
  }

  note(text) {
    if ([...this.notes.children].some((node) => node.textContent === text)) return;
    if (this.notes.childElementCount < NOTES) this.notes.append(make("li", { text }));
  }

  show_policy() {
    const { text, refused } = this.rules;
    const wanted = wanted_features(this.ui.permissions);
    const toggle = (label, checked, change) => make("label", { class: "inline" }, make("input",
      { type: "checkbox", checked: checked ? "" : undefined, onchange: (event) => {
        change(event.target.checked);
        this.reload();
      } }), " " + label);
    const outside = new Set(Object.values(this.rules.granted).flat()).size;
    this.outside.textContent = outside > 0 ? outside + " outside origins " : "";
    this.refused.textContent = refused.length > 0 ? refused.length + " refused" : "";
    this.policy.replaceChildren(make("pre", { text: text.replaceAll("; ", ";\n") }),
      ...refused.map(([member, entry, reason]) => make("p", { class: "refused" },
        make("code", { text: member + ": " + entry.slice(0, 200) }),
        make("small", { class: "bad", text: reason }))),
      make("div", { class: "row" },
        toggle("allow this machine and private networks", this.local, (on) => { this.local = on; }),
        ...wanted.map((name) => toggle("allow " + name, this.features.includes(name), (on) => {
          this.features = this.features.filter((other) => other !== name).concat(on ? name : []);
        }))));
  }

  // --- from the tool's call ---

  async open() {
    try {
      for (const text of tool_notes(this.tool)) this.note(text);
      this.new_frame();
      if (host_at < 0) throw { message: "pages are shown at " + HOSTS.join(" or ") + " only" };
      const bridge = this.bridge, page = await read_page(this.uri);
      if (this.bridge !== bridge || bridge.is_over()) return;
      for (const text of page.notes) this.note(text);
      this.ui = page.ui;
      this.rules = policy_of(page.ui.csp, this.local);
      this.html = below_policy(page.html, this.rules.text);
      this.show_policy();
      this.box.classList.toggle("bare", page.ui.prefersBorder === false);
      this.frame.allow = allow_of(this.features);
      bridge.become("proxy");
      this.frame.src = proxy_origin + "/#" + host_at;
      bridge.notify(UI + "tool-input", { arguments: this.input });
      if (this.outcome) bridge.notify(...this.outcome);
    } catch (error) {
      this.note("there is no page to show: " + error.message);
      this.bridge.end();
    }
  }

  new_frame() {
    this.frame = make("iframe", { title: "the page of " + this.name,
      referrerpolicy: "no-referrer" });
    this.box.append(this.frame);
    this.bridge = new Bridge(this, this.frame);
    this.height = FIRST_HEIGHT;
    this.moved("loading");
    this.lay_out();
  }

  // The end of the call: its result, or why there is none.
  finish(method, params) {
    this.outcome = [method, params];
    // Until the page has been read, open() sends it, after the input.
    if (this.bridge && this.rules) this.bridge.notify(method, params);
  }

  result(result) {
    if (!Array.isArray(result.content) || result.content.length === 0) {
      this.note("the result has no content: a host without apps, and the model, see nothing");
    }
    this.finish(UI + "tool-result", result);
  }

  cancelled(reason) { this.finish(UI + "tool-cancelled", { reason }); }

  async reload() {
    await this.bridge.close("reloaded");
    this.rules = undefined;
    this.notes.replaceChildren();
    await this.open();
  }

  // --- the life of its bridge ---

  problem(text) { this.note(text); }

  proxy_ready() { this.bridge.load({ html: this.html, policy: this.rules.text,
    allow: allow_of(this.features) }); }

  moved(state) {
    this.node.dataset.state = state;
    this.state.textContent = STATES[state];
    if (state === "gone") this.frame.remove();
  }

  async close(reason) {
    this.consent.end();
    await this.bridge.close(reason);
    this.watcher.disconnect();
    this.node.remove();
    views.delete(this);
  }

  // --- what the page says and asks for ---

  serve(bridge, method, params, flight) { return serve_view(bridge, method, params, flight); }

  heard(method, params) {
    if (Object.hasOwn(VIEW_NOTICES, method)) VIEW_NOTICES[method](this, params);
  }

  initialize(params) {
    for (const [member, given] of [["appInfo", params.appInfo],
      ["appCapabilities", params.appCapabilities]]) {
      if (!is_object(given)) this.note("ui/initialize: " + member + " is missing");
    }
    if (params.protocolVersion !== APPS_VERSION) {
      this.note("ui/initialize: protocolVersion: expected \"" + APPS_VERSION + "\", got "
        + text_of(params.protocolVersion));
    }
    const declared = is_object(params.appCapabilities)
      && params.appCapabilities.availableDisplayModes;
    this.declared = Array.isArray(declared) ? declared.filter((mode) => MODES.includes(mode)) : [];
    this.draw_mode();
    const has = server.capabilities, text = { text: {} };
    return { protocolVersion: APPS_VERSION,
      hostInfo: { name: "luamcp-inspect", version: meta("mcp-software") },
      hostCapabilities: { openLinks: {}, downloadFile: {}, logging: {}, message: text,
        updateModelContext: { ...text, structuredContent: {} },
        serverTools: has.tools && { listChanged: has.tools.listChanged === true },
        serverResources: has.resources && { listChanged: has.resources.listChanged === true },
        sandbox: { csp: this.rules.granted, permissions: Object.fromEntries(
          this.features.map((name) => [name, {}])) } },
      hostContext: { ...host_context(this.settings, this.mode, this.room()),
        toolInfo: { id: this.call_id, tool: this.tool } } };
  }

  said(node) {
    this.show_model();
    this.model.prepend(node);
    while (this.model.childElementCount > NOTES) this.model.lastElementChild.remove();
  }

  // Each context replaces the one before.
  set_context(params) {
    this.show_model();
    const blocks = Array.isArray(params.content) ? params.content.filter(is_object) : [];
    this.context.replaceChildren(make("small", { text: "context" }), ...blocks.map(content),
      ...(params.structuredContent === undefined ? []
        : [make("pre", { text: pretty(params.structuredContent) })]));
  }

  show_model() { this.node.querySelector(".model").hidden = false; }

  // --- size and mode ---

  room() {
    return { width: Math.floor(this.box.clientWidth), height: Math.floor(this.box.clientHeight) };
  }

  dimensions() { return dimensions_of(this.mode, this.settings, this.room()); }

  may_be(mode) { return this.declared.length === 0 || this.declared.includes(mode); }

  set_mode(mode) {
    if (!MODES.includes(mode) || !this.may_be(mode) || mode === this.mode) return;
    this.mode = mode;
    this.draw_mode();
    this.lay_out();
    this.changed({ displayMode: mode, containerDimensions: this.dimensions() });
  }

  draw_mode() {
    this.node.dataset.mode = this.mode;
    for (const button of this.modes) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === this.mode));
      button.disabled = !this.may_be(button.dataset.mode);
    }
  }

  set_size({ height }) {
    if (!Number.isFinite(height) || height < 0) return;
    this.height = Math.ceil(height);
    this.lay_out();
  }

  lay_out() {
    const { width, height, fixed } = this.settings, inline = this.mode === "inline";
    const most = Math.max(LEAST_HEIGHT, fixed ? height : Math.min(this.height, height));
    this.frame.style.height = inline ? most + "px" : "";
    this.frame.style.width = inline && width > 0 ? width + "px" : "";
    this.frame.style.colorScheme = theme_of(this.settings.theme);
  }

  room_changed() {
    const text = JSON.stringify(this.dimensions());
    if (text === this.last_size || !this.frame || this.box.clientWidth === 0) return;
    this.changed({ containerDimensions: this.dimensions() });
  }

  // Before ui/initialize nothing has to be sent: its answer has all of it.
  changed(part) {
    if (part.containerDimensions) this.last_size = JSON.stringify(part.containerDimensions);
    const state = this.bridge && this.bridge.state;
    if (state === "initialize" || state === "ready") {
      this.bridge.notify(UI + "host-context-changed", part);
    }
  }
}
