// SPDX-License-Identifier: MIT
// bridge: the conversation with the page of an app, from the empty frame to its end. It knows the
// order of messages and nothing of what they ask for; apps/requests.js answers them.

// loading    the page is being read from the server
// proxy      the frame of the proxy loads
// page       the proxy has the page, which has not said anything
// initialize ui/initialize is answered
// ready      the page has said ui/notifications/initialized: requests may be sent to it
// closing    it knows that it ends
// gone       the frame is removed
const NEXT = { loading: "proxy", proxy: "page", page: "initialize", initialize: "ready" };

// A page that does not answer is removed after this long, in milliseconds.
const GRACE = 1000;

// After this long without ui/initialize a note names what may be wrong, in milliseconds.
const SILENCE = 10000;

// What one page may send: characters in a message and in a second, and requests in progress.
const LONGEST_MESSAGE = 4e6, CHARACTERS = 16e6, IN_PROGRESS = 16;

const UI = "ui/notifications/";
const SANDBOX = UI + "sandbox-";
const REFUSED = -32000, INVALID = -32600, UNKNOWN = -32601, WRONG_PARAMS = -32602;

const is_id = (id) => typeof id === "string" || typeof id === "number";

class Bridge {
  // `view` hears of changes and answers requests: moved(state), serve(bridge, method, params,
  // flight), heard(method, params), problem(text), and has `name`.
  constructor(view, frame) {
    this.view = view;
    this.frame = frame;
    this.state = "loading";
    this.queue = []; // notifications until the page is ready
    this.asked = new Map(); // our requests: id → function
    this.flights = new Map(); // the page's requests: id → { cancel? }
    this.last = 0;
    this.second = this.characters = 0;
  }

  is_over() { return this.state === "closing" || this.state === "gone"; }

  become(state) {
    if (NEXT[this.state] !== state) return false;
    this.state = state;
    clearTimeout(this.timer);
    if (state === "proxy" || state === "page") {
      this.timer = setTimeout(() => this.view.problem(state === "proxy"
        ? "the frame for the page did not load: is " + proxy_origin + " reachable?"
        : "the page has not sent ui/initialize: its script may have an error, or may need "
          + "something that its policy forbids (see the browser's console)"), SILENCE);
    }
    this.view.moved(state);
    if (state === "ready") for (const message of this.queue.splice(0)) this.post(message);
    return true;
  }

  // --- to the page ---

  post(message) {
    const whole = { jsonrpc: "2.0", ...message };
    show("to-view", whole, JSON.stringify(whole), this.view.name
      + (whole.id === undefined ? "" : " · id " + whole.id));
    this.frame.contentWindow.postMessage(whole, proxy_origin);
  }

  notify(method, params) {
    if (this.is_over()) return;
    if (this.state === "ready") this.post({ method, params });
    else this.queue.push({ method, params });
  }

  load(page) {
    if (!this.become("page")) return;
    // Not shown with the messages: it is the page, and the policy is beside it.
    this.frame.contentWindow.postMessage({ jsonrpc: "2.0", method: SANDBOX + "resource-ready",
      params: page }, proxy_origin);
  }

  // Tells the page that it ends, waits for its answer, and is gone after that.
  close(reason) {
    if (!this.is_over()) {
      const ready = this.state === "ready";
      this.state = "closing";
      clearTimeout(this.timer);
      this.queue = [];
      for (const flight of this.flights.values()) if (flight.cancel) flight.cancel();
      this.flights.clear();
      this.view.moved("closing");
      this.closed = ready ? this.tear_down(reason) : Promise.resolve();
      this.closed = this.closed.then(() => this.end());
    }
    return this.closed;
  }

  tear_down(reason) {
    const id = ++this.last;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      setTimeout(resolve, GRACE);
      this.post({ id, method: "ui/resource-teardown", params: { reason } });
    });
  }

  end() {
    if (this.state === "gone") return;
    this.state = "gone";
    this.asked.clear();
    this.view.moved("gone");
  }

  // --- from the page ---

  // A message of the proxy's frame. Only what is JSON counts: a structured clone may hold more.
  receive(data) {
    if (this.state === "gone") return;
    let text;
    try { text = JSON.stringify(data); } catch (error) { /* a circle, or a bigint */ }
    const message = text === undefined || text.length > LONGEST_MESSAGE ? undefined
      : JSON.parse(text);
    if (!this.admits(text)) return;
    if (!is_object(message) || message.jsonrpc !== "2.0") {
      this.view.problem(text && text.length > LONGEST_MESSAGE ? "a message of the page was too long"
        : "the page sent something that is no JSON-RPC 2.0 message");
      return;
    }
    if (typeof message.method === "string" && message.method.startsWith(SANDBOX)) {
      this.of_proxy(message.method.slice(SANDBOX.length));
      return;
    }
    show("from-view", message, text, this.view.name
      + (message.id === undefined ? "" : " · id " + message.id));
    this.take(message);
  }

  admits(text) {
    const now = Math.floor(performance.now() / 1000);
    if (now !== this.second) [this.second, this.characters] = [now, 0];
    this.characters += text ? text.length : 0;
    if (this.characters <= CHARACTERS) return true;
    this.of_proxy("flooded");
    return false;
  }

  of_proxy(event) {
    if (event === "proxy-ready") {
      if (this.state === "proxy") this.view.proxy_ready();
      return;
    }
    if (this.is_over() || event !== "flooded" && event !== "left") return;
    this.view.problem(event === "flooded" ? "the page sent messages without end: it was removed"
      : "the page went elsewhere or loaded itself again: it was removed");
    this.end();
  }

  take(message) {
    const { id, method } = message;
    if (typeof method !== "string") {
      const answer = this.asked.get(id);
      this.asked.delete(id);
      if (answer) answer(message);
    } else if (id !== undefined) {
      this.serve(id, method, message.params);
    } else {
      this.hear(method, is_object(message.params) ? message.params : {});
    }
  }

  hear(method, params) {
    if (this.is_over()) {
      if (method === "notifications/message") this.view.heard(method, params);
    } else if (method === UI + "initialized") {
      if (!this.become("ready")) this.view.problem("ui/notifications/initialized came "
        + (this.state === "ready" ? "twice" : "before ui/initialize"));
    } else if (method === "notifications/cancelled") {
      const flight = this.flights.get(params.requestId);
      if (flight && flight.cancel) flight.cancel();
    } else if (this.state === "ready") {
      this.view.heard(method, params);
    }
  }

  async serve(id, method, params) {
    if (!is_id(id)) return;
    const flight = {};
    let out;
    try {
      if (this.flights.has(id)) throw { code: INVALID, message: "this id is in use" };
      if (this.flights.size >= IN_PROGRESS) {
        throw { code: REFUSED, message: "more than " + IN_PROGRESS + " requests in progress" };
      }
      this.check_state(method);
      this.flights.set(id, flight);
      out = { result: await this.view.serve(this, method, is_object(params) ? params : {},
        flight) };
    } catch (error) {
      out = { error: { code: Number.isInteger(error.code) ? error.code : -32603,
        message: String(error.message), data: error.data } };
    }
    if (this.flights.get(id) === flight) this.flights.delete(id);
    if (this.is_over()) return;
    this.post({ id, ...out });
    if (method === "ui/initialize" && out.result) this.become("initialize");
  }

  check_state(method) {
    if (this.is_over()) throw { code: REFUSED, message: "the page is being closed" };
    if (method === "ping") return;
    if (method === "ui/initialize") {
      if (this.state !== "page") throw { code: INVALID, message: "ui/initialize came twice" };
    } else if (this.state !== "ready") {
      throw { code: INVALID, message: method + " came before ui/notifications/initialized" };
    }
  }
}
