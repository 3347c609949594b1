// SPDX-License-Identifier: MIT
// connection: requests and responses over the WebSocket.

const FIRST_PAUSE = 500, LONGEST_PAUSE = 10000;
let socket, last = 0, pause = FIRST_PAUSE, again, server = {};
const waiting = new Map();

function say(text, bad) {
  $("state").textContent = text;
  $("state").className = bad ? "bad" : "";
}

function send(message, about) {
  const whole = { jsonrpc: "2.0", ...message };
  const text = JSON.stringify(whole);
  if (!socket || socket.readyState !== WebSocket.OPEN) throw { message: "not connected" };
  show("out", whole, text, about || (whole.id === undefined ? "" : "id " + whole.id));
  socket.send(text);
}

// Sends a request and returns { id, answer }, where `answer` is a promise. `progressed` is called
// with the params of each progress notification; `about` stands beside it in the messages.
function start(method, params, progressed, about) {
  const id = ++last;
  const whole = progressed ? { ...params, _meta: { ...params._meta, progressToken: id } } : params;
  const answer = new Promise((resolve, reject) => {
    waiting.set(id, { method, resolve, reject, progressed, begun: performance.now() });
    try {
      send({ id, method, params: whole }, about && "id " + id + " · " + about);
    } catch (error) {
      waiting.delete(id);
      reject(error);
    }
  });
  return { id, answer };
}

const request = (method, params) => start(method, params).answer;

// A server does not answer a cancelled request, so the promise is rejected here.
function cancel(id) {
  const pending = waiting.get(id);
  if (!pending) return;
  waiting.delete(id);
  send({ method: "notifications/cancelled", params: { requestId: id, reason: "by the user" } });
  pending.reject({ message: "cancelled" });
}
