// SPDX-License-Identifier: MIT
// page: the search field, the buttons and the keys. The last file: it connects.

function search() {
  const word = $("search").value.trim().toLowerCase();
  for (const node of document.querySelectorAll("main details[data-name]")) {
    node.hidden = !node.firstChild.textContent.toLowerCase().includes(word);
  }
}

$("search").addEventListener("input", search);
$("filter").addEventListener("input", () => {
  for (const entry of $("traffic").children) entry.hidden = !is_shown(entry);
});
$("clear").addEventListener("click", () => {
  origin = performance.now();
  $("traffic").replaceChildren();
  kept_characters = 0;
});
$("clear-log").addEventListener("click", () => {
  $("log").replaceChildren();
  $("logs").hidden = true;
});
$("reconnect").addEventListener("click", () => {
  pause = FIRST_PAUSE;
  connect();
});
$("level").addEventListener("change", set_level);
$("roots").addEventListener("change", () => {
  try {
    send({ method: "notifications/roots/list_changed" });
  } catch (error) {
    log("error", error.message);
  }
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("search").focus();
  }
});

connect();
