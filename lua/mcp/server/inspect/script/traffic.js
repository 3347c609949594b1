// SPDX-License-Identifier: MIT
// traffic: the list of messages, newest first, and the list of notices.

// So many messages are kept, and so many characters of them; of one message so many are shown.
const KEPT = 500, KEPT_CHARACTERS = 8e6, SHOWN = 1e6;
let origin = performance.now(), kept_characters = 0;

function is_shown(entry) {
  return entry.textContent.toLowerCase().includes($("filter").value.trim().toLowerCase());
}

function show(direction, message, text, about) {
  const bad = message.error || (message.result && message.result.isError);
  const entry = make("details", { class: direction + (bad ? " bad" : "") },
    make("summary", {},
      make("code", { text: message.method || (message.error ? "error" : "result") }),
      make("span", { text: about }),
      make("time", { text: ((performance.now() - origin) / 1000).toFixed(3) + " s" })));
  entry.append(make("pre", { text: text.length > SHOWN
    ? text.slice(0, SHOWN) + " … and " + (text.length - SHOWN) + " characters more"
    : inexact(text) ? text : pretty(message) }));
  entry.size = Math.min(text.length, SHOWN);
  entry.hidden = !is_shown(entry);
  $("traffic").prepend(entry);
  kept_characters += entry.size;
  while ($("traffic").childElementCount > KEPT || kept_characters > KEPT_CHARACTERS) {
    kept_characters -= $("traffic").lastElementChild.size;
    $("traffic").lastElementChild.remove();
  }
}

function log(level, text) {
  $("logs").hidden = false;
  $("log").prepend(make("p", { class: level }, make("b", { text: level }), " " + text));
  while ($("log").childElementCount > KEPT) $("log").lastElementChild.remove();
}
